// SPDX-License-Identifier: Apache-2.0
// The attribution formula.
#include "common/attribution/attribute.hpp"

#include <algorithm>
#include <limits>

#include "common/units/apportion.hpp"
#include "common/units/wide.hpp"

namespace vpowercap {
namespace {

/// Weights with the host's as the last.
using Weights = std::vector<std::uint64_t>;

std::uint64_t saturated(Wide value) {
  return static_cast<std::uint64_t>(std::min<Wide>(value, std::numeric_limits<std::uint64_t>::max()));
}

/// Appends the host's weight: what is left of `whole` after the VMs' weights, at least 0.
void close_with_host(Weights& weights, Wide whole) {
  Wide given = 0;
  for (const auto weight : weights) given += weight;
  weights.push_back(whole > given ? saturated(whole - given) : 0);
}

Weights by_work(const PackageLoad& package, std::span<const VmLoad> vms) {
  Weights weights;
  for (const auto& vm : vms) weights.push_back(vm.work);
  close_with_host(weights, package.busy);
  return weights;
}

std::uint64_t alive_ns(const VmLoad& vm, const PackageLoad& package) {
  return static_cast<std::uint64_t>(
      std::clamp(vm.alive, Nanoseconds(0), std::max(package.interval, Nanoseconds(0))).count());
}

Weights idle_weights(const PackageLoad& package, std::span<const VmLoad> vms, IdlePolicy policy) {
  if (policy == IdlePolicy::usage) return by_work(package, vms);
  Weights weights;
  for (const auto& vm : vms) {
    const Wide units = policy == IdlePolicy::reserved ? vm.milli_vcpus
                       : policy == IdlePolicy::equal  ? vm.milli_vcpus > 0
                                                      : 0;
    weights.push_back(saturated(units * alive_ns(vm, package)));
  }
  const Wide tick = static_cast<std::uint64_t>(std::max(package.interval, Nanoseconds(0)).count());
  close_with_host(weights, policy == IdlePolicy::reserved ? tick * package.milli_cpus : tick);
  return weights;
}

}  // namespace

Attribution attribute(const ZoneEnergy& energy, const PackageLoad& package, std::span<const VmLoad> vms,
                      IdlePolicy policy) {
  const auto idle = std::min(energy.idle, energy.delta);
  const auto dynamic_parts = apportion((energy.delta - idle).count, by_work(package, vms));
  const auto idle_parts = apportion(idle.count, idle_weights(package, vms, policy));
  Attribution result;
  result.vms.reserve(vms.size());
  for (std::size_t i = 0; i < vms.size(); ++i)
    result.vms.push_back({{idle_parts[i]}, {dynamic_parts[i]}});
  result.remainder = {{idle_parts.back()}, {dynamic_parts.back()}};
  return result;
}

std::vector<Share> spread_over_sockets(const Share& share,
                                       std::span<const std::uint64_t> socket_work_ns,
                                       std::span<const std::uint64_t> socket_vcpus) {
  const auto any = [](std::span<const std::uint64_t> weights) {
    return std::any_of(weights.begin(), weights.end(), [](std::uint64_t weight) { return weight > 0; });
  };
  const Weights even(socket_work_ns.size(), 1);
  const auto owned = any(socket_vcpus) ? socket_vcpus : std::span(even);
  const auto dynamic = apportion(share.dynamic.count, any(socket_work_ns) ? socket_work_ns : owned);
  const auto idle = apportion(share.idle.count, owned);
  std::vector<Share> shares;
  for (std::size_t i = 0; i < socket_work_ns.size(); ++i) shares.push_back({{idle[i]}, {dynamic[i]}});
  return shares;
}

}  // namespace vpowercap
