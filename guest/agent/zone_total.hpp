// SPDX-License-Identifier: Apache-2.0
// A wrapping counter turned into a total that only grows.
#pragma once

#include <cstdint>
#include <optional>

#include "common/base/clock.hpp"
#include "common/units/microjoules.hpp"
#include "common/units/wrap_counter.hpp"

namespace vpowercap {

/// The energy of one zone, added up over its readings. Starts at the first raw value, so that it
/// equals energy_uj until the first wrap. Pure; not thread-safe.
class ZoneTotal {
 public:
  struct Step {
    Microjoules total;
    std::optional<std::uint64_t> power_uw;  ///< mean since the previous reading
    bool gap = false;                       ///< the counter jumped: counted on from here
  };

  /// Takes a reading of a counter that wraps at `max_range_uj`, made at `now` (monotonic).
  /// A step that no hardware could have made (10 kW forward, 5 kW over a wrap, both since the counter
  /// last moved), or a changed range, is another counter in the place of the old one, or one that was
  /// reset: it adds nothing. A counter that held still and catches up is no such jump.
  Step add(WrapCounter reading, std::uint64_t max_range_uj, Nanoseconds now);

 private:
  [[nodiscard]] bool plausible(Microjoules step, bool wrapped, Nanoseconds now) const;

  std::optional<WrapCounter> previous_;
  std::uint64_t range_uj_ = 0;
  Nanoseconds read_at_{};
  Nanoseconds still_since_{};  // the last reading before the current value appeared
  Microjoules total_;
};

}  // namespace vpowercap
