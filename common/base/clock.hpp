// SPDX-License-Identifier: Apache-2.0
// Time as a parameter: the monotonic clock for intervals, replaceable in tests.
#pragma once

#include <chrono>
#include <cstdint>

namespace vpowercap {

using Nanoseconds = std::chrono::nanoseconds;

/// A source of time. Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// CLOCK_MONOTONIC since its start; never goes back, does not count suspend.
  [[nodiscard]] virtual Nanoseconds now() const = 0;
};

/// The machine's own clock.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Nanoseconds now() const override;
};

/// A clock that a test moves by hand. Not thread-safe.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] Nanoseconds now() const override { return now_; }
  void advance(Nanoseconds by) { now_ += by; }

 private:
  Nanoseconds now_{std::chrono::hours(1)};
};

}  // namespace vpowercap
