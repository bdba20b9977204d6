// SPDX-License-Identifier: Apache-2.0
// One zone's counter over time: which energy two readings prove, and which time is a gap.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/clock.hpp"
#include "common/units/microjoules.hpp"

namespace vpowercap {

/// One tick's look at a zone.
struct ZoneLook {
  std::optional<std::uint64_t> raw_uj;  ///< the counter; absent: unreadable
  Nanoseconds taken{0};                 ///< CLOCK_MONOTONIC of the reading, or of the failure
  std::uint64_t range_uj = 0;           ///< max_energy_range_uj
  std::uint64_t bound_uw = 0;           ///< no more power than this is possible
  Nanoseconds tick{0};                  ///< the sampling period
  Nanoseconds suspended{0};             ///< the machine slept for so long since the last tick
  std::uint64_t busy_ns = 0;            ///< CPU time of the package since the last tick
  /// A value that stays is one that has not been refreshed, not zero energy.
  bool always_draws = true;
};

/// What a look proves.
struct ZoneStep {
  /// Energy since the last value that counted, in one piece; absent: there is none to divide.
  std::optional<Microjoules> energy;
  Nanoseconds interval{0};  ///< what `energy` was drawn in
  bool is_across = false;   ///< `interval` is longer than 1.5 ticks
  bool is_pending = false;  ///< the energy of this tick may still come with a later one's
  bool begins_gap = false;
  Nanoseconds gap{0};   ///< time within a gap that was not told before
  Nanoseconds lost{0};  ///< of all gap time told, what will get no energy
  std::string problem;  ///< for the log; empty: nothing odd
};

/// Counts only what is certain:
/// - Energy is what lies between two readings, over at most one wrap. It is taken when exactly one
/// number
///   of wraps keeps the mean power below the bound.
/// - When none does, the counter was reset or is broken; when several do, the interval was too long for
///   the range. In both cases the interval is lost: a gap, and the counter starts anew.
/// - A suspend may have reset the counter or let it go on; its interval is lost too.
/// - An unreadable counter, or one that stands still, keeps its base: the energy comes later in one
/// piece.
/// - A counter that stands still for `stuck_ticks` while CPUs work is stuck: a gap until it moves.
/// Lost time is always part of gap time. Pure; not thread-safe.
class ZoneCounter {
 public:
  /// A zone never seen before: its first value is a base.
  ZoneCounter() = default;
  /// Goes on from a value that was counted. `gap_until`: an open gap was told up to there; 0: none is.
  ZoneCounter(std::uint64_t raw_uj, Nanoseconds taken, Nanoseconds gap_until);
  /// A zone whose counter cannot go on since `since`: a gap from there to the first value. `gap_until`
  /// as above.
  static ZoneCounter broken_off(Nanoseconds since, Nanoseconds gap_until);

  ZoneStep look(const ZoneLook& look);
  /// The zone is not there at all. Its gap begins; how long it was shows when it is back.
  ZoneStep miss(Nanoseconds now, Nanoseconds suspended);

  /// The value up to which energy is counted and its time; nullopt: there is none.
  struct Base {
    std::uint64_t raw_uj;
    Nanoseconds taken;
  };
  [[nodiscard]] const std::optional<Base>& base() const { return base_; }
  /// Without a base: since when time is lost; nullopt: it is not.
  [[nodiscard]] std::optional<Nanoseconds> lost_since() const { return lost_since_; }
  /// Up to when the open gap was told; nullopt: none is open.
  [[nodiscard]] std::optional<Nanoseconds> gap_until() const { return gap_until_; }

  static constexpr int stuck_ticks = 10;
  /// A value may be older than its reading by so much: the slack of the bound in short intervals.
  static constexpr Nanoseconds lateness{std::chrono::milliseconds(100)};

 private:
  [[nodiscard]] bool can_still_count(Nanoseconds now) const;
  void extend_gap(ZoneStep& step, Nanoseconds from, Nanoseconds to);
  /// Gives up what is between base and look, which becomes the base where it has a value.
  ZoneStep lose(const ZoneLook& look, std::string why);
  ZoneStep count(const ZoneLook& look, Microjoules delta);
  ZoneStep stand_still(const ZoneLook& look);

  std::optional<Base> base_;
  std::optional<Nanoseconds> gap_until_;
  std::optional<Nanoseconds> lost_since_;  ///< without a base: since when its time is lost
  std::uint64_t range_uj_ = 0;             ///< of the last look
  std::uint64_t bound_uw_ = 0;             ///< of the last look
  int still_ticks_ = 0;
  std::uint64_t still_busy_ns_ = 0;
};

}  // namespace vpowercap
