// SPDX-License-Identifier: Apache-2.0
// The part of the books that knows CPUs, vCPUs and idle power.
#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "common/units/apportion.hpp"
#include "common/units/wide.hpp"
#include "host/sampler/account.hpp"

namespace vpowercap {
namespace {

/// True when two lengths of time differ by less than a fifth: a reading then belongs to its tick.
bool is_about(Nanoseconds interval, Nanoseconds tick) {
  return std::abs((interval - tick).count()) < tick.count() / 5;
}

}  // namespace

void Account::describe_host(Method method, std::uint32_t cpus, std::vector<std::uint32_t> packages,
                            const std::map<ZoneScope, std::uint32_t>& cpus_in) {
  host_.method = method;
  host_.cpus = std::max(1u, cpus);
  packages_ = packages.empty() ? std::vector<std::uint32_t>{0} : std::move(packages);
  host_.packages = static_cast<std::uint32_t>(packages_.size());
  milli_cpus_.clear();
  for (const auto& [scope, count] : cpus_in) milli_cpus_[scope] = std::uint64_t{count} * 1000;
  const std::vector<std::uint64_t> even(packages_.size(), 1);
  const auto evenly = apportion(std::uint64_t{host_.cpus} * 1000, even);
  for (std::size_t i = 0; i < packages_.size(); ++i) milli_cpus_.try_emplace(packages_[i], evenly[i]);
}

ZoneScope Account::scope_of(const ZoneReading& reading) const {
  const ZoneScope die(reading.package, reading.die);
  return reading.is_one_die && milli_cpus_.contains(die) ? die : ZoneScope(reading.package);
}

std::uint64_t Account::milli_cpus(ZoneScope scope) const {
  const auto known = milli_cpus_.find(scope);
  return known == milli_cpus_.end() ? 1000 : known->second;
}

std::uint64_t Account::spread_in(std::uint64_t milli, ZoneScope scope) const {
  if (!milli_cpus_.contains(scope)) return 0;
  if (!scope.is_package()) milli = spread_in(milli, scope.package);
  std::vector<std::uint64_t> cpus;
  std::size_t at = 0;
  for (const auto& [other, count] : milli_cpus_) {
    if (other.is_package() != scope.is_package()) continue;
    if (!scope.is_package() && other.package != scope.package) continue;
    if (other == scope) at = cpus.size();
    cpus.push_back(count);
  }
  return apportion(milli, cpus)[at];
}

std::vector<std::uint64_t> Account::reserved(const VmTick& vm, ZoneScope scope) const {
  if (!vm.reserved.empty()) {
    const auto here = vm.reserved.find(scope);
    return here == vm.reserved.end() ? std::vector<std::uint64_t>{} : here->second;
  }
  const auto record = vms_.find(vm.uuid);
  if (record == vms_.end()) return {};
  const auto here = spread_in(std::uint64_t{record->second.owned_vcpus} * 1000, scope);
  const std::vector<std::uint64_t> even(std::max(1u, record->second.sockets), 1);
  return apportion(here, even);
}

VmLoad Account::load_of(const VmTick& vm, ZoneScope scope) const {
  const auto work = vm.work.find(scope);
  const auto sockets = reserved(vm, scope);
  return {work == vm.work.end() ? 0 : work->second.total_ns,
          std::accumulate(sockets.begin(), sockets.end(), std::uint64_t{0}), vm.alive};
}

Microjoules Account::idle_part(std::size_t index, const ZoneStep& step, const Loads& loads) {
  auto& zone = host_.zones[index];
  const auto end = host_.zones.begin() + host_.zone_count;
  const auto like = std::count_if(host_.zones.begin(), end, [&](const HostZoneRecord& other) {
    return other.domain == zone.domain && other.package == zone.package && other.is_host_only == 0;
  });
  idle_.choose(zone, options_.idle_uw, static_cast<std::uint32_t>(like));
  if (host_.method == Method::rapl && loads.is_plain && is_about(step.interval, loads.length)) {
    const auto milli_ns =
        Wide(milli_cpus(states_[index].scope)) * static_cast<std::uint64_t>(loads.length.count());
    idle_.learn(zone, *step.energy, step.interval,
                {loads.busy_ns, static_cast<std::uint64_t>(milli_ns / 1000)});
  }
  return std::min(*step.energy, energy_of(zone.idle_power_uw, step.interval));
}

}  // namespace vpowercap
