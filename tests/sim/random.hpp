// SPDX-License-Identifier: Apache-2.0
// Random numbers that are the same on every machine.
#pragma once

#include <cstdint>

namespace vpowercap::sim {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): the standard library's distributions differ between
/// implementations, and results are compared with a table in a document.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// 0 to 1, 1 excluded.
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  /// 0 to `bound` - 1; `bound` > 0.
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(unit() * bound); }
  /// Between the two, evenly.
  double between(double low, double high) { return low + (high - low) * unit(); }

 private:
  std::uint64_t state_;
};

}  // namespace vpowercap::sim
