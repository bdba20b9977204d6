// SPDX-License-Identifier: Apache-2.0
// How soon after what happened libvirt is asked for a list.
#pragma once

#include <algorithm>

#include "common/base/clock.hpp"

namespace vpowercap {

/// Lists take at most half of the time: a VM that comes and goes all the time, or whose owner changes
/// it all the time, must not keep libvirtd, and with it all others, at work.
class Pace {
 public:
  static constexpr Nanoseconds coalesce = std::chrono::milliseconds(50);  ///< events come in bursts
  static constexpr Nanoseconds longest = std::chrono::seconds(10);

  /// A list was asked for at `begin` and was complete at `end`.
  void listed(Nanoseconds begin, Nanoseconds end) { next_ = end + (end - begin); }
  /// How long to wait with the next list when something happens at `now`.
  [[nodiscard]] Nanoseconds wait(Nanoseconds now) const {
    return std::clamp(next_ - now, coalesce, longest);
  }

 private:
  Nanoseconds next_{0};
};

}  // namespace vpowercap
