// SPDX-License-Identifier: Apache-2.0
// From CPUs to packages and dies.
#include "host/sampler/zone_scope.hpp"

namespace vpowercap {

std::vector<ZoneScope> scopes_of(const CpuMap& cpus, std::uint32_t cpu) {
  const auto package = cpus.package(cpu);
  const auto die = cpus.die_of.find(cpu);
  if (die == cpus.die_of.end()) return {package};
  return {package, {package, die->second}};
}

std::map<ZoneScope, std::uint32_t> count_cpus(const CpuMap& cpus) {
  std::map<ZoneScope, std::uint32_t> counts;
  for (const auto& [cpu, package] : cpus.package_of)
    for (const auto& scope : scopes_of(cpus, cpu)) ++counts[scope];
  return counts;
}

}  // namespace vpowercap
