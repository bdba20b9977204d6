// SPDX-License-Identifier: Apache-2.0
// Truth of one zone, stretch by stretch.
#include "tests/sim/true_zone.hpp"

namespace vpowercap::sim {

TrueZone::TrueZone(std::string id, std::string name, EnergyDomain of, std::uint32_t package,
                   double mean_watts, std::uint64_t raw_uj)
    : domain(of),
      watts(mean_watts),
      id_(std::move(id)),
      name_(std::move(name)),
      package_(package),
      raw_uj_(raw_uj) {}

void TrueZone::draw(std::uint64_t energy_uj) {
  stretch_.energy_uj += energy_uj;
  stretch_.wraps += (raw_uj_ + energy_uj) / range_uj;
  raw_uj_ = (raw_uj_ + energy_uj) % range_uj;
}

void TrueZone::pass(Nanoseconds length, std::uint64_t energy_uj) {
  stretch_.awake += length;
  draw(energy_uj);
}

void TrueZone::sleep(Nanoseconds length, std::uint64_t energy_uj, const std::uint64_t* reset_to_uj) {
  stretch_.asleep += length;
  stretch_.slept = true;
  draw(energy_uj);
  if (reset_to_uj != nullptr) raw_uj_ = *reset_to_uj;
}

bool TrueZone::is_ambiguous() const {
  // A value may be a tenth of a second older than its reading.
  const double seconds = std::chrono::duration<double>(stretch_.awake).count() + 0.1;
  const double most_uj = static_cast<double>(bound_uw) * seconds;
  return static_cast<double>(stretch_.energy_uj % range_uj + range_uj) <= most_uj;
}

void TrueZone::close_stretch() {
  const bool is_lost = stretch_.slept || is_ambiguous();
  all_uj += stretch_.energy_uj;
  wraps += stretch_.wraps;
  (is_lost ? lost_uj : counted_uj) += stretch_.energy_uj;
  if (is_lost || stretch_.failed || 2 * stretch_.awake > 3 * tick) {
    const auto length = stretch_.awake + stretch_.asleep;
    ++gaps;
    gap += length;
    if (is_lost) lost += length;
    else wraps_in_counted_gaps += stretch_.wraps;
    if (!stretch_.slept && stretch_.wraps >= 2) ++lost_double_wraps;
  }
}

ZoneReading TrueZone::reading(Nanoseconds now) const {
  return {id_, name_, domain, package_, range_uj, std::nullopt, now};
}

ZoneReading TrueZone::read(Nanoseconds now) {
  if (!is_first_) close_stretch();
  is_first_ = false;
  stretch_ = {};
  auto value = reading(now);
  value.raw_uj = raw_uj_;
  return value;
}

ZoneReading TrueZone::fail(Nanoseconds now) {
  stretch_.failed = true;
  return reading(now);
}

}  // namespace vpowercap::sim
