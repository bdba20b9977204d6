// SPDX-License-Identifier: Apache-2.0
// Idle power learned from what is measured: the low envelope of power against utilisation.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/model/quality.hpp"

namespace vpowercap {

/// What is believed of a zone's idle power.
struct IdleEstimate {
  std::uint64_t power_uw = 0;  ///< 0 with confidence none
  IdleConfidence confidence = IdleConfidence::none;
  std::uint64_t samples = 0;  ///< ticks below 5 % utilisation that it rests on, faded ones in part
};

/// Learns the idle power of zones. Each tick falls into one of 20 classes of utilisation, 5 % wide, and
/// there into a class of power, 1 % wide. With at least `min_ticks` ticks below 5 % utilisation, idle
/// power is the level under which a tenth of them lie; with fewer, straight lines through such levels
/// of the three least busy classes, of four and so on are read at 0 %, and the lowest that is above 0 W
/// counts. It is never above such a level of any class. What was
/// seen fades with a half-life of two days of observation, so that a lower level is followed within
/// hours and a higher one, as after a change of firmware, within nine days.
/// Pure: no clock, no files. Not thread-safe.
class IdleLearner {
 public:
  static constexpr std::size_t classes = 20;
  static constexpr double min_ticks = 30;    ///< in a class, before its level counts
  static constexpr double good_ticks = 600;  ///< below 5 % utilisation, for good confidence
  static constexpr std::chrono::hours half_life{48};
  static constexpr std::size_t max_zones = 256;

  /// Ticks whose power was alike.
  struct Cell {
    std::uint64_t lowest_uw = 0;  ///< lowest power seen in it
    double weight = 0;            ///< ticks, faded
  };
  /// By class of power.
  using Levels = std::map<std::int32_t, Cell>;
  using Zone = std::array<Levels, classes>;
  /// All that is learned, by the name under which it was observed.
  using Memory = std::map<std::string, Zone>;

  /// One tick of a zone: its mean power and the busy part of its package's CPUs, `busy_ns` of `cpu_ns`.
  /// Ticks without power or CPU time are not credible and are passed over.
  void observe(const std::string& zone, std::uint64_t power_uw, std::uint64_t busy_ns,
               std::uint64_t cpu_ns, Nanoseconds length);

  [[nodiscard]] IdleEstimate estimate(const std::string& zone) const;

  [[nodiscard]] Memory memory() const;
  /// Goes on from what was learned earlier.
  void restore(const Memory& memory);

  /// Class of a power in microwatts (at least 1).
  static std::int32_t level_of(std::uint64_t power_uw);

 private:
  struct Entry {
    Zone classes;
    Nanoseconds unfaded{0};   ///< time observed since the last fading
    std::uint32_t fresh = 0;  ///< ticks since `known` was worked out
    IdleEstimate known;
  };
  static void fade(Entry& entry);
  static IdleEstimate work_out(const Zone& zone);

  std::map<std::string, Entry> zones_;
};

}  // namespace vpowercap
