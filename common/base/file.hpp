// SPDX-License-Identifier: Apache-2.0
// Small files of the kernel's kind: opened, read whole, parsed strictly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace vpowercap {

/// Opens `path` below `dir_fd` (AT_FDCWD for the working directory), O_CLOEXEC added to `flags`.
Result<UniqueFd> open_at(int dir_fd, const std::string& path, int flags);

/// Reads a file from its start to its end, at most `limit` bytes.
/// Errors: those of open and read; EFBIG when the file holds more than `limit` bytes.
Result<std::string> read_file_at(int dir_fd, const std::string& path, std::size_t limit = 65536);

/// Reads again, from offset 0, a kept descriptor of a sysfs or procfs attribute into `buffer`.
/// Returns the bytes read. Errors: those of pread; EFBIG when `buffer` was filled to the brim.
Result<std::string_view> pread_whole(int fd, std::span<char> buffer);

/// As pread_whole with one pread and no second one to see the end: for one-line attributes, which the
/// kernel gives whole to any read with room for them. The caller checks that the newline is there.
Result<std::string_view> pread_line(int fd, std::span<char> buffer);

/// Writes all of `data` to `fd`. Errors: those of write.
Result<void> write_all(int fd, std::string_view data);

/// Parses an unsigned decimal number with at most one newline behind it and nothing else.
/// Errors: EINVAL (empty, sign, letters, blanks), ERANGE (above 2^64-1). The message says which;
/// the caller adds the file's name.
Result<std::uint64_t> parse_u64(std::string_view text);

/// `text` without one trailing newline.
std::string_view without_newline(std::string_view text);

}  // namespace vpowercap
