// SPDX-License-Identifier: Apache-2.0
// An end to what a test waits for.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <thread>

#include "common/base/clock.hpp"

namespace vpowercap::testing {

/// Calls `give_up` once, on a thread of its own, when no progress was told of for `longest`.
class Patience {
 public:
  Patience(Nanoseconds longest, std::function<void()> give_up)
      : longest_(longest), give_up_(std::move(give_up)), last_ns_(SystemClock().now().count()) {
    watcher_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
  }
  void progress() { last_ns_ = SystemClock().now().count(); }
  [[nodiscard]] bool is_over() const { return over_; }

 private:
  void watch(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (SystemClock().now() - Nanoseconds(last_ns_.load()) < longest_) continue;
      over_ = true;
      give_up_();
      return;
    }
  }

  const Nanoseconds longest_;
  const std::function<void()> give_up_;
  std::atomic<std::int64_t> last_ns_;
  std::atomic<bool> over_ = false;
  std::jthread watcher_;
};

}  // namespace vpowercap::testing
