// SPDX-License-Identifier: Apache-2.0
// A RAPL zone whose energy is known, and what its counter alone can prove of it.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/clock.hpp"
#include "common/model/energy_domain.hpp"
#include "host/rapl/energy_source.hpp"

namespace vpowercap::sim {

/// Knows the truth and, without the sampler's code, what an honest meter must make of it. The time and
/// energy between two readings count whole or are lost whole. They are lost when the machine slept, as
/// the counter may have been reset, and when more than one number of wraps, none included, explains
/// what the counter shows without more power than `bound_uw`.
class TrueZone {
 public:
  static constexpr std::uint64_t range_uj = 262'143'328'850;
  static constexpr std::uint64_t bound_uw = 400'000'000;
  static constexpr Nanoseconds tick{std::chrono::seconds(10)};

  TrueZone(std::string id, std::string name, EnergyDomain domain, std::uint32_t package, double watts,
           std::uint64_t raw_uj);

  /// The machine is awake.
  void pass(Nanoseconds length, std::uint64_t energy_uj);
  /// The machine sleeps: CLOCK_MONOTONIC stands. The counter goes on, or is set to `*reset_to_uj`.
  void sleep(Nanoseconds length, std::uint64_t energy_uj, const std::uint64_t* reset_to_uj);
  /// What the counter shows now.
  ZoneReading read(Nanoseconds now);
  /// A reading that fails.
  ZoneReading fail(Nanoseconds now);

  EnergyDomain domain;
  double watts;                  ///< mean draw
  std::uint64_t all_uj = 0;      ///< true energy between the first reading and the last
  std::uint64_t counted_uj = 0;  ///< of it, what has to be in the books
  std::uint64_t lost_uj = 0;     ///< of it, what has to be missing in the books
  std::uint64_t gaps = 0;        ///< stretches that slept, were late, had a failure or were lost
  Nanoseconds gap{0};            ///< their length, sleep included
  Nanoseconds lost{0};           ///< of it, that of the stretches that were lost
  std::uint64_t wraps = 0;
  std::uint64_t wraps_in_counted_gaps = 0;
  std::uint64_t lost_double_wraps = 0;  ///< lost stretches over two wraps or more, without sleep

 private:
  /// What has happened since the last reading.
  struct Stretch {
    Nanoseconds awake{0};
    Nanoseconds asleep{0};
    std::uint64_t energy_uj = 0;
    std::uint64_t wraps = 0;
    bool slept = false;
    bool failed = false;
  };
  void draw(std::uint64_t energy_uj);
  void close_stretch();
  [[nodiscard]] bool is_ambiguous() const;
  [[nodiscard]] ZoneReading reading(Nanoseconds now) const;

  std::string id_;
  std::string name_;
  std::uint32_t package_;
  std::uint64_t raw_uj_;
  bool is_first_ = true;
  Stretch stretch_;
};

}  // namespace vpowercap::sim
