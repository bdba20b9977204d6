// SPDX-License-Identifier: Apache-2.0
// Log lines of the daemons, on standard error.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "common/base/clock.hpp"

namespace vpowercap::log {

/// Prepares logging: `program` stands in each line; `level` is error, warning, info or debug.
/// Under systemd (JOURNAL_STREAM set) lines carry a syslog priority and no time.
/// Throws std::invalid_argument for any other level.
void start(std::string_view program, std::string_view level);

/// Lines for: something is lost or does not work; works, but not as it should; what an operator
/// wants to see of normal life; what a developer wants to see. Thread-safe. One line each: line
/// breaks within a message are shown as blanks.
void error(std::string_view message);
void warning(std::string_view message);
void info(std::string_view message);
void debug(std::string_view message);

/// Lets a repeated message through once per period, and no more messages per period than it can
/// remember: whoever can think of ever new ones fills no log. Not thread-safe.
class Limiter {
 public:
  static constexpr std::size_t max_keys = 256;
  explicit Limiter(Nanoseconds period = std::chrono::minutes(1)) : period_(period) {}
  /// True when a message with this key was not let through within the period before `now`, nor
  /// `max_keys` others.
  [[nodiscard]] bool pass(std::string_view key, Nanoseconds now);

 private:
  Nanoseconds period_;
  std::map<std::string, Nanoseconds, std::less<>> last_;
};

}  // namespace vpowercap::log
