// SPDX-License-Identifier: Apache-2.0
// mountinfo as the host's programs read it.
#include "common/share/mount_table.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

/// As the kernel writes a path, with more escapes than it needs.
std::string escaped(const std::string& text) {
  std::string line;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    for (const unsigned shift : {6u, 3u, 0u}) {
      if (shift == 6) line += '\\';
      line += static_cast<char>('0' + ((byte >> shift) & 7));
    }
  }
  return line;
}

bool same(const MountEntry& a, const MountEntry& b) {
  return a.device == b.device && a.root == b.root && a.mount_point == b.mount_point &&
         a.options == b.options && a.type == b.type && a.source == b.source && a.shared == b.shared;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto table = parse_mount_table(fuzz::as_text(data, size));
  std::string printed;
  for (const auto& entry : table) {
    law(entry.mount_point.starts_with('/'), "a mount point is an absolute path");
    const auto* const found = find_mount(table, entry.mount_point);
    law(found != nullptr && found->mount_point == entry.mount_point, "what is in the table is found");
    printed += "1 0 " + entry.device + " " + escaped(entry.root) + " " + escaped(entry.mount_point) +
               " " + entry.options + (entry.shared ? " shared:1" : "") + " - " + entry.type + " " +
               escaped(entry.source) + " rw\n";
  }
  const auto again = parse_mount_table(printed);
  law(again.size() == table.size(), "a table printed and read again has as many mounts");
  for (std::size_t i = 0; i < table.size(); ++i)
    law(same(table[i], again[i]), "a mount printed and read again is the same");
  return 0;
}
