// SPDX-License-Identifier: Apache-2.0
// Reading and parsing of small kernel files.
#include "common/base/file.hpp"

#include <fcntl.h>

#include <charconv>

#include "common/base/utf8.hpp"

namespace vpowercap {

Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags) {
  const int fd = ::openat(dir_fd, path.c_str(), flags | O_CLOEXEC);
  if (fd < 0) return fail_errno(errno, "cannot open " + path);
  return UniqueFd(fd);
}

Result<std::string> read_file_at(int dir_fd, const std::string& path, std::size_t limit) {
  auto fd = open_at(dir_fd, path, O_RDONLY);
  if (!fd) return tl::unexpected(fd.error());
  std::string content;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(fd->get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "cannot read " + path);
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > limit)
      return fail(EFBIG, path + " is longer than " + std::to_string(limit) + " bytes");
  }
}

Result<std::string_view> pread_whole(int fd, std::span<char> buffer) {
  std::size_t have = 0;
  while (have < buffer.size()) {
    const ssize_t got =
        ::pread(fd, buffer.data() + have, buffer.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read failed");
    if (got == 0) return std::string_view(buffer.data(), have);
    have += static_cast<std::size_t>(got);
  }
  return fail(EFBIG, "longer than " + std::to_string(buffer.size() - 1) + " bytes");
}

Result<std::string_view> pread_line(int fd, std::span<char> buffer) {
  for (;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read failed");
    const auto have = static_cast<std::size_t>(got);
    if (have < buffer.size()) return std::string_view(buffer.data(), have);
    return fail(EFBIG, "longer than " + std::to_string(buffer.size() - 1) + " bytes");
  }
}

Result<void> write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t put = ::write(fd, data.data(), data.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "write failed");
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

std::string_view without_newline(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

Result<std::uint64_t> parse_u64(std::string_view text) {
  text = without_newline(text);
  if (text.empty()) return fail(EINVAL, "is empty, expected a number");
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range)
    return fail(ERANGE, "holds \"" + printable(text) + "\", above 2^64-1");
  if (error != std::errc() || end != text.data() + text.size())
    return fail(EINVAL, "holds \"" + printable(text) + "\", expected an unsigned decimal number");
  return value;
}

}  // namespace vpowercap
