// SPDX-License-Identifier: Apache-2.0
// Parsing /proc/self/mountinfo.
#include "common/share/mount_table.hpp"

#include <fcntl.h>

#include <algorithm>

#include "common/base/file.hpp"

namespace vpowercap {
namespace {

/// Takes the first word off `rest`.
std::string_view take_word(std::string_view& rest) {
  const auto end = std::min(rest.find(' '), rest.size());
  const auto word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

/// Blank, tab, newline and backslash stand as \ooo.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::ranges::all_of(text.substr(i + 1, 3), is_octal)) {
      plain +=
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

bool MountEntry::read_only() const { return options == "ro" || options.starts_with("ro,"); }

MountTable parse_mount_table(std::string_view mountinfo) {
  MountTable table;
  while (!mountinfo.empty()) {
    const auto end = std::min(mountinfo.find('\n'), mountinfo.size());
    auto line = mountinfo.substr(0, end);
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
    MountEntry entry;
    take_word(line);  // mount ID
    take_word(line);  // parent ID
    entry.device = take_word(line);
    entry.root = unescape(take_word(line));
    entry.mount_point = unescape(take_word(line));
    entry.options = take_word(line);
    bool complete = false;
    while (!line.empty() && !complete) {
      const auto field = take_word(line);
      if (field.starts_with("shared:")) entry.shared = true;
      complete = field == "-";
    }
    entry.type = take_word(line);
    entry.source = unescape(take_word(line));
    if (complete && entry.mount_point.starts_with('/')) table.push_back(std::move(entry));
  }
  return table;
}

Result<MountTable> read_mount_table() {
  // 512 VMs have some 1500 lines of some 150 bytes; the limit is far above.
  const auto text = read_file_at(AT_FDCWD, "/proc/self/mountinfo", std::size_t{64} << 20);
  if (!text) return tl::unexpected(text.error());
  return parse_mount_table(*text);
}

const MountEntry* find_mount(const MountTable& table, std::string_view path) {
  const auto found = std::find_if(table.rbegin(), table.rend(),
                                  [path](const auto& entry) { return entry.mount_point == path; });
  return found == table.rend() ? nullptr : &*found;
}

}  // namespace vpowercap
