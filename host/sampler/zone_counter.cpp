// SPDX-License-Identifier: Apache-2.0
// Decisions on one zone's readings.
#include "host/sampler/zone_counter.hpp"

#include <algorithm>

#include "common/units/wrap_counter.hpp"

namespace vpowercap {
namespace {

std::string milliseconds(Nanoseconds time) { return std::to_string(time.count() / 1'000'000) + " ms"; }
std::string watts(std::uint64_t uw) { return std::to_string(uw / 1'000'000) + " W"; }

}  // namespace

ZoneCounter::ZoneCounter(std::uint64_t raw_uj, Nanoseconds taken, Nanoseconds gap_until)
    : base_(Base{raw_uj, taken}) {
  if (gap_until > Nanoseconds(0)) gap_until_ = gap_until;
}

ZoneCounter ZoneCounter::broken_off(Nanoseconds since, Nanoseconds gap_until) {
  ZoneCounter counter;
  counter.lost_since_ = since;
  if (gap_until > Nanoseconds(0)) counter.gap_until_ = gap_until;
  return counter;
}

void ZoneCounter::extend_gap(ZoneStep& step, Nanoseconds from, Nanoseconds to) {
  if (!gap_until_) {
    step.begins_gap = true;
    gap_until_ = from;
  }
  if (to <= *gap_until_) return;
  step.gap += to - *gap_until_;
  gap_until_ = to;
}

bool ZoneCounter::can_still_count(Nanoseconds now) const {
  if (!base_ || range_uj_ == 0) return base_.has_value();
  // With room for two wraps no value can be certain.
  return energy_of(bound_uw_, now - base_->taken).count / 2 < range_uj_;
}

ZoneStep ZoneCounter::lose(const ZoneLook& look, std::string why) {
  ZoneStep step;
  step.problem = std::move(why);
  const Nanoseconds start = base_ ? base_->taken : lost_since_.value_or(look.taken);
  extend_gap(step, start, look.taken);
  step.gap += look.suspended;
  step.lost = look.suspended;
  base_.reset();
  lost_since_ = start;
  still_ticks_ = 0;
  if (!look.raw_uj) return step;  // the time since `start` is told as lost when there is a value
  step.lost += std::max(look.taken - start, Nanoseconds(0));
  base_ = Base{*look.raw_uj, look.taken};
  lost_since_.reset();
  gap_until_.reset();
  return step;
}

ZoneStep ZoneCounter::look(const ZoneLook& given) {
  ZoneLook look = given;
  range_uj_ = look.range_uj;
  bound_uw_ = look.bound_uw;
  ZoneStep step;
  if (look.raw_uj && *look.raw_uj > look.range_uj) {
    step.problem = "counter " + std::to_string(*look.raw_uj) + " µJ lies above max_energy_range_uj " +
                   std::to_string(look.range_uj);
    look.raw_uj.reset();
  }
  const bool is_new = !base_ && !lost_since_;
  if (look.suspended > Nanoseconds(0) && !is_new)
    return lose(look, "the machine was suspended for " + milliseconds(look.suspended) +
                          ", in which the counter may have been reset; the interval is not counted");
  if (!look.raw_uj) {
    if (is_new) lost_since_ = look.taken;
    extend_gap(step, base_ ? base_->taken : *lost_since_, look.taken);
    step.is_pending = can_still_count(look.taken);
    return step;
  }
  if (is_new) {
    base_ = Base{*look.raw_uj, look.taken};
    return step;
  }
  if (!base_) return lose(look, "");
  if (base_->raw_uj > look.range_uj)
    return lose(look, "max_energy_range_uj is another one now; the interval is not counted");
  if (look.taken < base_->taken)
    return lose(look, "was read before its last reading; the interval is not counted");
  step.is_pending = true;
  if (look.taken == base_->taken) return step;
  const auto delta = WrapCounter{*look.raw_uj}.delta({base_->raw_uj}, look.range_uj);
  if (!delta) return lose(look, delta.error().message);
  if (delta->count == 0 && look.always_draws) return stand_still(look);
  return count(look, *delta);
}

ZoneStep ZoneCounter::count(const ZoneLook& look, Microjoules delta) {
  const Nanoseconds interval = look.taken - base_->taken;
  const Microjoules most = energy_of(look.bound_uw, interval + lateness);
  if (delta > most)
    return lose(look, "counter jumped by " + std::to_string(delta.count) + " µJ in " +
                          milliseconds(interval) + ", more than " + watts(look.bound_uw) +
                          " (max-zone-watts): it was reset or is broken; the interval is not counted");
  if (most.count >= look.range_uj && most.count - look.range_uj >= delta.count)
    return lose(look, "counter may have wrapped more than once in " + milliseconds(interval) + " at " +
                          watts(look.bound_uw) + " (max-zone-watts); the interval is not counted");
  ZoneStep step;
  step.energy = delta;
  step.interval = interval;
  step.is_across = look.tick > Nanoseconds(0) && 2 * interval > 3 * look.tick;
  if (gap_until_ || (step.is_across && still_ticks_ == 0)) extend_gap(step, base_->taken, look.taken);
  gap_until_.reset();
  base_ = Base{*look.raw_uj, look.taken};
  still_ticks_ = 0;
  return step;
}

ZoneStep ZoneCounter::stand_still(const ZoneLook& look) {
  const Nanoseconds interval = look.taken - base_->taken;
  ZoneStep step;
  step.is_pending = can_still_count(look.taken);
  if (still_ticks_ == 0) still_busy_ns_ = 0;
  ++still_ticks_;
  still_busy_ns_ += look.busy_ns;
  const bool has_worked = still_busy_ns_ >= static_cast<std::uint64_t>(interval.count()) / 10;
  const bool is_stuck = still_ticks_ >= stuck_ticks && has_worked;
  if (is_stuck && !gap_until_)
    step.problem = "counter has stood still at " + std::to_string(*look.raw_uj) + " µJ for " +
                   milliseconds(interval) + " while its CPUs worked: a gap until it moves";
  if (is_stuck || gap_until_) extend_gap(step, base_->taken, look.taken);
  return step;
}

ZoneStep ZoneCounter::miss(Nanoseconds now, Nanoseconds suspended) {
  ZoneStep step;
  if (!base_ && !lost_since_) return step;
  const Nanoseconds start = base_ ? base_->taken : *lost_since_;
  extend_gap(step, start, start);
  step.is_pending = can_still_count(now);
  if (suspended <= Nanoseconds(0)) return step;
  step.is_pending = false;
  step.gap = step.lost = suspended;
  lost_since_ = start;
  base_.reset();
  return step;
}

}  // namespace vpowercap
