// SPDX-License-Identifier: Apache-2.0
// Which record is which zone's, though the kernel numbers zones anew when a driver is loaded again.
#include <algorithm>

#include "host/sampler/account.hpp"

namespace vpowercap {
namespace {

std::string_view type_of(std::string_view id) { return id.substr(0, id.find(':')); }

/// The same counter of the machine, whatever its number.
bool is_same(const HostZoneRecord& record, const ZoneReading& reading) {
  return record.domain == reading.domain && record.package == reading.package &&
         record.die == static_cast<std::uint16_t>(reading.die) &&
         type_of(record.id.view()) == type_of(reading.id);
}

}  // namespace

/// The index of each reading's record, made where there is none; max_host_zones when there is no room.
std::vector<std::size_t> Account::place_zones(const std::vector<ZoneReading>& zones,
                                              std::vector<Error>& problems) {
  std::vector<std::size_t> places(zones.size(), max_host_zones);
  std::vector<bool> taken(max_host_zones, false);
  const auto place = [&](std::size_t i, std::size_t index) {
    places[i] = index;
    taken[index] = true;
  };
  const auto find = [&](std::size_t i, bool by_id) {
    for (std::size_t index = 0; index < host_.zone_count && places[i] == max_host_zones; ++index) {
      const auto& record = host_.zones[index];
      if (taken[index] || !is_same(record, zones[i])) continue;
      if (!by_id || record.id.view() == zones[i].id) place(i, index);
    }
  };
  // Those that kept their number first, then those that were given another one.
  for (std::size_t i = 0; i < zones.size(); ++i) find(i, true);
  for (std::size_t i = 0; i < zones.size(); ++i) {
    if (places[i] == max_host_zones) find(i, false);
    if (places[i] != max_host_zones) continue;
    if (host_.zone_count == max_host_zones) {
      problems.push_back({ENOSPC, zones[i].id + ": more than " + std::to_string(max_host_zones) +
                                      " zones, this one is not counted"});
      continue;
    }
    auto& record = host_.zones[host_.zone_count];
    record.domain = zones[i].domain;
    record.package = zones[i].package;
    record.die = static_cast<std::uint16_t>(zones[i].die);
    place(i, host_.zone_count++);
    states_.emplace_back();
  }
  return places;
}

}  // namespace vpowercap
