// SPDX-License-Identifier: Apache-2.0
// The only place that knows spdlog.
#include "common/log/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

namespace vpowercap::log {
namespace {

spdlog::logger& logger() {
  static spdlog::logger instance("vpowercap", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  return instance;
}

void write(spdlog::level::level_enum level, std::string_view message) {
  std::string line(message);
  std::replace(line.begin(), line.end(), '\n', ' ');
  logger().log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void start(std::string_view program, std::string_view level) {
  const auto parsed = spdlog::level::from_str(std::string(level));
  if (parsed == spdlog::level::off && level != "off")
    throw std::invalid_argument("log-level: \"" + std::string(level) +
                                "\" is none of error, warning, info, debug");
  logger().set_level(parsed);
  logger().flush_on(spdlog::level::trace);
  const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  logger().set_pattern(journal ? std::string(program) + ": %l: %v"
                               : "%Y-%m-%dT%H:%M:%S.%e " + std::string(program) + ": %l: %v");
}

void error(std::string_view message) { write(spdlog::level::err, message); }
void warning(std::string_view message) { write(spdlog::level::warn, message); }
void info(std::string_view message) { write(spdlog::level::info, message); }
void debug(std::string_view message) { write(spdlog::level::debug, message); }

bool Limiter::pass(std::string_view key, Nanoseconds now) {
  const auto found = last_.find(key);
  if (found != last_.end()) {
    if (now - found->second < period_) return false;
    found->second = now;
    return true;
  }
  if (last_.size() >= max_keys)
    std::erase_if(last_, [&](const auto& entry) { return now - entry.second >= period_; });
  if (last_.size() >= max_keys) return false;
  last_.emplace(key, now);
  return true;
}

}  // namespace vpowercap::log
