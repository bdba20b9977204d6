// SPDX-License-Identifier: Apache-2.0
// Reading one process's files through a descriptor of its /proc directory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"

namespace vpowercap {

/// Longest stat or schedstat line that is read: more than any kernel prints.
inline constexpr std::size_t proc_line_bytes = 2048;

/// True for the codes that say "this process or thread has ended".
constexpr bool has_ended(int code) { return code == ENOENT || code == ESRCH; }

/// `proc_root`/`pid`.
std::string process_directory(const std::string& proc_root, std::int64_t pid);

/// Field 22 of `stat` below the open directory `fd`, whose name for messages is `directory`.
/// Errors: ESRCH when the process has ended; EPROTO for a malformed file.
Result<std::uint64_t> start_ticks_at(int fd, const std::string& directory);

/// Text of `directory`/cmdline. Errors: ESRCH when the process has ended; others of the file.
Result<std::string> read_arguments(const std::string& directory);
/// The arguments in such a text, each of which ends with a NUL.
std::vector<std::string> split_arguments(std::string_view text);

}  // namespace vpowercap
