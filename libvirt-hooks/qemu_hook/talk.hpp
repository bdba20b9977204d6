// SPDX-License-Identifier: Apache-2.0
// Input and messages of a program that may wait for nobody.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "common/wire/frame.hpp"

namespace vpowercap {

using Deadline = std::chrono::steady_clock::time_point;

/// What comes from `fd` until its end, `limit` bytes or, where one is given, the mark, waiting until the
/// deadline; what is there already is read after it, too. A descriptor that cannot be read has nothing
/// to say.
std::string read_until(int fd, std::size_t limit, Deadline deadline, std::string_view mark = {});

/// Sends one frame to the daemon's socket, without its field "xml" where it would be too long. Never
/// waits. Errors: ENOENT and ECONNREFUSED (no daemon), EAGAIN (it does not read); those of the socket.
Result<void> tell_daemon(const std::string& path, Frame frame);

/// One warning to the system's log, lost when nobody takes it at once.
void log_line(std::string_view message);

}  // namespace vpowercap
