// SPDX-License-Identifier: Apache-2.0
// Adding up the readings of one zone.
#include "guest/agent/zone_total.hpp"

namespace vpowercap {
namespace {

// More than any zone draws: a whole eight-socket host in one virtual zone stays below. Wraps get the
// tighter bound because a reset (suspend, host reboot) looks like one.
constexpr std::uint64_t most_forward_uw = 10'000'000'000;
constexpr std::uint64_t most_over_wrap_uw = 5'000'000'000;
// Guests' counters change on a grid: at the first reading the value may already be some seconds old.
constexpr Nanoseconds forward_slack = std::chrono::seconds(10);
constexpr Nanoseconds wrap_slack = std::chrono::seconds(1);

}  // namespace

bool ZoneTotal::plausible(Microjoules step, bool wrapped, Nanoseconds now) const {
  const auto time = now - still_since_;
  return wrapped ? step <= energy_of(most_over_wrap_uw, time + wrap_slack)
                 : step <= energy_of(most_forward_uw, time + forward_slack);
}

ZoneTotal::Step ZoneTotal::add(WrapCounter reading, std::uint64_t max_range_uj, Nanoseconds now) {
  if (!previous_) {
    total_ = {reading.raw_uj};
    previous_ = reading;
    range_uj_ = max_range_uj;
    read_at_ = still_since_ = now;
    return {total_, std::nullopt, false};
  }
  const bool wrapped = reading.raw_uj < previous_->raw_uj;
  const auto step = reading.delta(*previous_, max_range_uj);
  Step result;
  if (max_range_uj != range_uj_ || !step || !plausible(*step, wrapped, now)) {
    result.gap = true;
    still_since_ = now;
  } else {
    total_ += *step;
    if (now > read_at_) result.power_uw = mean_power_uw(*step, now - read_at_);
    if (step->count > 0) still_since_ = read_at_;
  }
  previous_ = reading;
  range_uj_ = max_range_uj;
  read_at_ = now;
  result.total = total_;
  return result;
}

}  // namespace vpowercap
