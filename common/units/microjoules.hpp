// SPDX-License-Identifier: Apache-2.0
// Energy and power as integers with their unit in the type.
#pragma once

#include <compare>
#include <cstdint>

#include "common/base/clock.hpp"

namespace vpowercap {

/// An amount of energy in microjoules (1 µJ = 1e-6 J), 0 to 2^64-1 (18 TJ).
struct Microjoules {
  std::uint64_t count = 0;

  auto operator<=>(const Microjoules&) const = default;
  Microjoules& operator+=(Microjoules other) {
    count += other.count;
    return *this;
  }
  Microjoules& operator-=(Microjoules other) {
    count -= other.count;
    return *this;
  }
  friend Microjoules operator+(Microjoules a, Microjoules b) { return {a.count + b.count}; }
  /// Requires a >= b.
  friend Microjoules operator-(Microjoules a, Microjoules b) { return {a.count - b.count}; }
};

/// Mean power in microwatts of `energy` over `time`; 0 when `time` is not positive. Rounded down.
std::uint64_t mean_power_uw(Microjoules energy, Nanoseconds time);

/// Energy in microjoules of `power_uw` microwatts over `time`; 0 when `time` is not positive.
/// Rounded down; at most 2^64-1.
Microjoules energy_of(std::uint64_t power_uw, Nanoseconds time);

}  // namespace vpowercap
