// SPDX-License-Identifier: Apache-2.0
// Keeping powercap zones over outages, hotplug and driver reloads.
#include "host/rapl/powercap_source.hpp"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "host/rapl/power_bound.hpp"

namespace vpowercap {
namespace {

constexpr std::string_view preferred_type = "intel-rapl";

/// The control type that counts for each domain of each package.
using Owners = std::map<std::pair<std::uint32_t, EnergyDomain>, std::string>;

void claim(Owners& owners, const ZoneInfo& info) {
  auto& owner = owners[{info.package, info.domain}];
  if (owner.empty() || info.control_type == preferred_type) owner = info.control_type;
}

}  // namespace

PowercapSource::PowercapSource(std::string path, const Clock& clock, CpuVendor vendor,
                               Nanoseconds rescan_every)
    : path_(std::move(path)), clock_(clock), vendor_(vendor), rescan_every_(rescan_every) {}

bool PowercapSource::exists(const std::string& id) const {
  return ::access((path_ + "/" + id).c_str(), F_OK) == 0;
}

void PowercapSource::tell(const std::string& id, Error error) {
  if (told_.insert(id).second) problems_.push_back(std::move(error));
}

void PowercapSource::rescan() {
  scanned_ = clock_.now();
  PowercapScan scan = scan_powercap(path_);
  std::set<std::string> troubled;
  for (const ZoneProblem& problem : scan.problems) {
    troubled.insert(problem.id);
    tell(problem.id, problem);
  }

  std::vector<Known> merged;
  std::map<std::uint32_t, std::uint64_t> package_max_uw;  // parents come before their parts
  for (auto& zone : scan.zones) {
    ZoneInfo info = zone.info();
    auto& package = package_max_uw[info.package];
    if (info.domain == EnergyDomain::package) package = std::max(package, info.max_power_uw);
    const auto bound = power_bound(info.domain, package);
    merged.push_back({std::move(info), std::move(zone), bound});
  }
  // What was known and is still there, though unusable now, stays as a gap.
  for (Known& old : known_) {
    const auto is_old = [&old](const Known& known) { return known.info.id == old.info.id; };
    if (std::any_of(merged.begin(), merged.end(), is_old)) continue;
    if (exists(old.info.id)) merged.push_back({std::move(old.info), std::nullopt, old.power_bound_uw});
    else if (!troubled.contains(""))
      tell(old.info.id,
           {ENOENT, path_ + "/" + old.info.id + " is gone, its zone is no longer counted"});
  }

  Owners owners;
  for (const Known& known : merged) claim(owners, known.info);
  std::erase_if(merged, [&owners](const Known& known) {
    return owners.at({known.info.package, known.info.domain}) != known.info.control_type;
  });
  known_ = std::move(merged);
  // An outage ends with a good read; for what is kept no more it ends when the scan is silent.
  std::erase_if(told_, [&](const std::string& id) {
    return !troubled.contains(id) &&
           std::none_of(known_.begin(), known_.end(),
                        [&id](const Known& known) { return known.info.id == id; });
  });
}

ZoneReading PowercapSource::read(const Known& known) {
  const ZoneInfo& info = known.info;
  ZoneReading reading{info.id, info.name, info.domain, info.package, info.max_energy_range_uj, {}, {}};
  reading.die = info.die.value_or(0);
  reading.is_one_die = info.die.has_value();
  reading.power_bound_uw = known.power_bound_uw;
  reading.is_host_only = info.domain == EnergyDomain::psys ||
                         (info.domain == EnergyDomain::core && vendor_ == CpuVendor::amd);
  const Nanoseconds before = clock_.now();
  const auto value = known.zone ? known.zone->read_energy() : Result<std::uint64_t>(fail(ENODATA, ""));
  reading.taken = before + (clock_.now() - before) / 2;
  if (value) {
    reading.raw_uj = *value;
    told_.erase(info.id);
  } else if (known.zone) {
    tell(info.id, value.error());
  }
  return reading;
}

std::vector<ZoneReading> PowercapSource::read_all() {
  std::vector<ZoneReading> readings;
  readings.reserve(known_.size());
  for (const Known& known : known_) readings.push_back(read(known));
  return readings;
}

std::vector<ZoneReading> PowercapSource::sample() {
  if (!scanned_ || clock_.now() - *scanned_ >= rescan_every_) rescan();
  const std::size_t problems = problems_.size();
  auto readings = read_all();
  if (problems_.size() != problems) {
    // A zone has just failed: perhaps the driver was reloaded and fresh descriptors work.
    rescan();
    readings = read_all();
  }
  if (vendor_ == CpuVendor::amd) {
    mirrors_.apply(readings);
    std::ranges::move(mirrors_.take_problems(), std::back_inserter(problems_));
  }
  return readings;
}

std::vector<Error> PowercapSource::take_problems() { return std::exchange(problems_, {}); }

}  // namespace vpowercap
