// SPDX-License-Identifier: Apache-2.0
// Comparison of die zones with the first of their package.
#include "host/rapl/mirror_filter.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "common/units/microjoules.hpp"

namespace vpowercap {
namespace {

/// True for zones of dies; false for what stands for a whole package.
bool is_die(const ZoneReading& zone) {
  return zone.domain == EnergyDomain::package && zone.name.find("-die-") != std::string::npos;
}

bool agree(const ZoneReading& a, const ZoneReading& b) {
  const auto [low, high] = std::minmax(*a.raw_uj, *b.raw_uj);
  const std::uint64_t range = std::max(a.max_energy_range_uj, b.max_energy_range_uj);
  std::uint64_t distance = high - low;
  if (distance <= range) distance = std::min(distance, range - distance);  // one wrapped before
  const auto between = std::max(a.taken, b.taken) - std::min(a.taken, b.taken);
  return distance <= MirrorFilter::noise_uj + energy_of(a.power_bound_uw, between).count;
}

}  // namespace

bool MirrorFilter::is_mirror(const ZoneReading& zone, const ZoneReading& leader) {
  const auto known = opinions_.find(zone.id);
  // Until both were read once nothing can be said, so nothing is counted twice.
  if (!zone.raw_uj || !leader.raw_uj) return known == opinions_.end() || known->second.is_mirror;
  const bool same = agree(zone, leader);
  if (known == opinions_.end()) {
    opinions_[zone.id] = {same, 0, *leader.raw_uj};
    if (same)
      problems_.push_back({EEXIST, zone.id + " (" + zone.name + ") shows the counter of " + leader.id +
                                       " again, as AMD's dies do; it is counted once"});
    return same;
  }
  Opinion& opinion = known->second;
  const bool has_moved = opinion.leader_raw_uj != *leader.raw_uj;
  opinion.leader_raw_uj = *leader.raw_uj;
  if (same == opinion.is_mirror) opinion.contrary = 0;
  else if (has_moved) ++opinion.contrary;
  if (opinion.contrary < needed) return opinion.is_mirror;
  opinion.is_mirror = same;
  opinion.contrary = 0;
  problems_.push_back(
      {EEXIST,
       zone.id + " (" + zone.name + ") " +
           (same ? "shows the counter of " + leader.id + " again; it is counted once from now on"
                 : "and " + leader.id + " are two counters; both are counted from now on")});
  return same;
}

void MirrorFilter::apply(std::vector<ZoneReading>& readings) {
  std::map<std::uint32_t, ZoneReading> leaders;  // of each package, the lowest die
  for (const ZoneReading& zone : readings) {
    if (!is_die(zone)) continue;
    const auto [leader, is_new] = leaders.try_emplace(zone.package, zone);
    if (!is_new && zone.die < leader->second.die) leader->second = zone;
  }
  std::set<std::string> mirrored;
  std::erase_if(readings, [&](const ZoneReading& zone) {
    if (!is_die(zone)) return false;
    const ZoneReading& leader = leaders.at(zone.package);
    const bool is_again = zone.id != leader.id && is_mirror(zone, leader);
    if (is_again) mirrored.insert(leader.id);
    return is_again;
  });
  for (ZoneReading& zone : readings)
    if (mirrored.contains(zone.id)) zone.is_one_die = false;
}

std::vector<Error> MirrorFilter::take_problems() { return std::exchange(problems_, {}); }

}  // namespace vpowercap
