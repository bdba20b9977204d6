// SPDX-License-Identifier: Apache-2.0
// Load that comes and goes.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

namespace vpowercap::testing {

/// Threads of this process that work for some time and rest for some time, at random, until the end.
class BusyThreads {
 public:
  BusyThreads(unsigned count, std::uint64_t seed) {
    for (unsigned i = 0; i < count; ++i)
      threads_.emplace_back([random = std::mt19937_64(seed + i)](const std::stop_token& stop) mutable {
        using Clock = std::chrono::steady_clock;
        while (!stop.stop_requested()) {
          const auto end = Clock::now() + std::chrono::milliseconds(random() % 1500);
          while (Clock::now() < end && !stop.stop_requested()) {
          }
          std::this_thread::sleep_for(std::chrono::milliseconds(random() % 500));
        }
      });
  }

 private:
  std::vector<std::jthread> threads_;
};

}  // namespace vpowercap::testing
