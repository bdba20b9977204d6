// SPDX-License-Identifier: Apache-2.0
// Parsing mountinfo.
#include "guest/mount/mount_table.hpp"

#include <fcntl.h>
#include <stdlib.h>

#include <memory>
#include <vector>

#include "common/base/file.hpp"

namespace vpowercap {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const auto end = text.find(separator);
    words.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return words;
}

/// Undoes the kernel's \ooo for blank, tab, newline and backslash.
std::string unescape(std::string_view text) {
  const auto octal = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '7'; };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      plain +=
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool is_read_only(std::string_view options) {
  for (const auto option : split(options, ','))
    if (option == "ro") return true;
  return false;
}

}  // namespace

std::optional<MountEntry> find_mount(std::string_view mountinfo, std::string_view target) {
  std::optional<MountEntry> found;
  for (const auto line : split(mountinfo, '\n')) {
    const auto words = split(line, ' ');
    // id parent major:minor root target options [tags...] - type source super-options
    std::size_t dash = 6;
    while (dash < words.size() && words[dash] != "-") ++dash;
    if (dash + 2 >= words.size() || unescape(words[4]) != target) continue;
    // A later line lies on top of an earlier one at the same place.
    found = MountEntry{std::string(target), unescape(words[dash + 1]), unescape(words[dash + 2]),
                       is_read_only(words[5])};
  }
  return found;
}

Result<std::optional<MountEntry>> current_mount(const std::string& target) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(target.c_str(), nullptr), ::free);
  if (!real && errno != ENOTCONN) return fail_errno(errno, target);
  const auto mountinfo = read_file_at(AT_FDCWD, "/proc/self/mountinfo", std::size_t{16} << 20);
  if (!mountinfo) return tl::unexpected(mountinfo.error());
  return find_mount(*mountinfo, real ? real.get() : target);
}

}  // namespace vpowercap
