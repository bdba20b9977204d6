// SPDX-License-Identifier: Apache-2.0
// From affinity to thousandths of vCPUs per package.
#include "host/sampler/vcpu_places.hpp"

#include <algorithm>

#include "common/procs/affinity.hpp"
#include "common/units/apportion.hpp"

namespace vpowercap {
namespace {

constexpr auto look_every = std::chrono::seconds(10);

/// 1000 spread over the packages and their dies by how many of their CPUs pass `may_run`; empty when
/// none does.
template <typename MayRun>
std::map<ZoneScope, std::uint64_t> spread_over(const CpuMap& cpus, MayRun may_run) {
  std::map<ZoneScope, std::uint64_t> smallest;  // dies, and packages without
  for (const auto& [cpu, package] : cpus.package_of)
    if (may_run(cpu)) ++smallest[scopes_of(cpus, cpu).back()];
  std::vector<std::uint64_t> weights;
  for (const auto& [scope, count] : smallest) weights.push_back(count);
  std::map<ZoneScope, std::uint64_t> spread;
  if (weights.empty()) return spread;
  const auto parts = apportion(1000, weights);
  std::size_t at = 0;
  for (const auto& [scope, count] : smallest) {
    if (!scope.is_package()) spread[scope.package] += parts[at];
    spread[scope] += parts[at++];
  }
  return spread;
}

}  // namespace

void VcpuPlaces::look(std::int64_t tid, Place& place, const CpuMap& cpus, Nanoseconds now) {
  place.read_at = now;
  const auto allowed = read_allowed_cpus(task_directory_, tid);
  if (!allowed && allowed.error().code != ESRCH) problems_.push_back(allowed.error());
  if (allowed)
    place.spread = spread_over(cpus, [&](std::uint32_t cpu) { return allowed->contains(cpu); });
  if (place.spread.empty()) place.spread = spread_over(cpus, [](std::uint32_t) { return true; });
}

std::map<ZoneScope, std::vector<std::uint64_t>> VcpuPlaces::reserved(
    const std::vector<ThreadWork>& threads, const VmTopology& topology, const CpuMap& cpus,
    Nanoseconds now) {
  std::map<ZoneScope, std::vector<std::uint64_t>> sums;
  std::map<std::int64_t, Place> seen;
  for (const auto& thread : threads) {
    if (!thread.vcpu) continue;
    const auto known = places_.find(thread.tid);
    Place& place = seen[thread.tid];
    if (known != places_.end()) place = std::move(known->second);
    if (place.spread.empty() || now - place.read_at >= look_every) look(thread.tid, place, cpus, now);
    for (const auto& [scope, milli] : place.spread) {
      auto& sockets = sums[scope];
      sockets.resize(std::max(1u, topology.sockets), 0);
      sockets[topology.socket_of(*thread.vcpu)] += milli;
    }
  }
  places_ = std::move(seen);
  return sums;
}

}  // namespace vpowercap
