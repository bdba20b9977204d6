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
                            const std::map<std::uint32_t, std::uint32_t>& cpus_in) {
  host_.method = method;
  host_.cpus = std::max(1u, cpus);
  packages_ = packages.empty() ? std::vector<std::uint32_t>{0} : std::move(packages);
  host_.packages = static_cast<std::uint32_t>(packages_.size());
  milli_cpus_.clear();
  const std::vector<std::uint64_t> even(packages_.size(), 1);
  const auto evenly = apportion(std::uint64_t{host_.cpus} * 1000, even);
  for (std::size_t i = 0; i < packages_.size(); ++i) {
    const auto known = cpus_in.find(packages_[i]);
    milli_cpus_[packages_[i]] =
        known == cpus_in.end() ? evenly[i] : std::uint64_t{std::max(1u, known->second)} * 1000;
  }
}

std::uint64_t Account::milli_cpus(std::uint32_t package) const {
  const auto known = milli_cpus_.find(package);
  return known == milli_cpus_.end() ? 1000 : known->second;
}

std::vector<std::uint64_t> Account::reserved(const VmTick& vm, std::uint32_t package) const {
  if (!vm.reserved.empty()) {
    const auto here = vm.reserved.find(package);
    return here == vm.reserved.end() ? std::vector<std::uint64_t>{} : here->second;
  }
  const auto record = vms_.find(vm.uuid);
  if (record == vms_.end()) return {};
  std::vector<std::uint64_t> cpus;
  std::size_t at = 0;
  for (const auto& [number, milli] : milli_cpus_) {
    if (number == package) at = cpus.size();
    cpus.push_back(milli);
  }
  if (!milli_cpus_.contains(package)) return {};
  const auto here = apportion(std::uint64_t{record->second.owned_vcpus} * 1000, cpus)[at];
  const std::vector<std::uint64_t> even(std::max(1u, record->second.guest_sockets), 1);
  return apportion(here, even);
}

VmLoad Account::load_of(const VmTick& vm, std::uint32_t package) const {
  const auto work = vm.work.find(package);
  const auto sockets = reserved(vm, package);
  return {work == vm.work.end() ? 0 : work->second.total_ns,
          std::accumulate(sockets.begin(), sockets.end(), std::uint64_t{0}), vm.alive};
}

Microjoules Account::idle_part(HostZoneRecord& zone, const ZoneStep& step, const Loads& loads) {
  const auto end = host_.zones.begin() + host_.zone_count;
  const auto like = std::count_if(host_.zones.begin(), end, [&](const HostZoneRecord& other) {
    return other.domain == zone.domain && other.package == zone.package && other.is_host_only == 0;
  });
  idle_.choose(zone, options_.idle_uw, static_cast<std::uint32_t>(like));
  if (host_.method == Method::rapl && loads.is_plain && is_about(step.interval, loads.length)) {
    const auto milli_ns =
        Wide(milli_cpus(zone.package)) * static_cast<std::uint64_t>(loads.length.count());
    idle_.learn(zone, *step.energy, step.interval,
                {loads.busy_ns, static_cast<std::uint64_t>(milli_ns / 1000)});
  }
  return std::min(*step.energy, energy_of(zone.idle_power_uw, step.interval));
}

}  // namespace vpowercap
