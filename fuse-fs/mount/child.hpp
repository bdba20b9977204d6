// SPDX-License-Identifier: Apache-2.0
// A child process that is started, looked after without waiting, and ended.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"

namespace vpowercap {

/// How a process ended.
struct Ending {
  int signal = 0;  ///< that killed it, or 0
  int code = 0;    ///< that it exited with
  [[nodiscard]] bool is_clean() const { return signal == 0 && code == 0; }
  /// "ended", "exited with 1", "killed by signal 9", "could not be run".
  [[nodiscard]] std::string text() const;
};

/// Owns one child; kills it with SIGKILL at the end. Not thread-safe. The parent has one thread.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  /// Runs a program that inherits `fds`. Requires !running().
  Result<void> start_program(const std::vector<std::string>& command, std::span<const int> fds,
                             Nanoseconds now);
  /// Runs a function in a copy of this process, which dies with it and has none of its descriptors but
  /// standard input, output and error and `kept`, which the function gets under another number: one
  /// that cannot be killed must hold no lock or mount. Requires !running().
  Result<void> start_function(const std::function<int(int kept)>& body, int kept, Nanoseconds now);

  [[nodiscard]] bool running() const { return pid_ > 0; }
  [[nodiscard]] Nanoseconds started() const { return started_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// How it ended, once. Nothing while it runs or when there is none. Does not wait.
  std::optional<Ending> reap();
  /// SIGTERM, after `patience` SIGKILL; gives up waiting a second later (a process can be unkillable):
  /// then false. True when there is none any more.
  bool end(Nanoseconds patience);

 private:
  Result<bool> fork_here(Nanoseconds now);
  bool wait_for(Nanoseconds patience);

  pid_t pid_ = -1;
  Nanoseconds started_{0};
};

}  // namespace vpowercap
