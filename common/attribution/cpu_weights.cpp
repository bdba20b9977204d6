// SPDX-License-Identifier: Apache-2.0
// Weights by the sibling's busy time.
#include "common/attribution/cpu_weights.hpp"

#include <algorithm>

#include "common/units/wide.hpp"

namespace vpowercap {
namespace {

/// Part of the tick in which `cpu` was busy, in parts per million.
std::uint64_t busy_ppm(const CpuBusy& busy_ns, std::uint32_t cpu, std::uint64_t tick_ns) {
  const auto found = busy_ns.find(cpu);
  if (found == busy_ns.end()) return 0;
  return static_cast<std::uint64_t>(Wide(std::min(found->second, tick_ns)) * full_weight_ppm / tick_ns);
}

}  // namespace

std::string_view to_string(PackageWeights weights) {
  return weights == PackageWeights::smt ? "smt" : "time";
}

std::optional<PackageWeights> parse_package_weights(std::string_view text) {
  for (const auto weights : {PackageWeights::time, PackageWeights::smt})
    if (text == to_string(weights)) return weights;
  return std::nullopt;
}

CpuWeights cpu_weights(PackageWeights weights, const CpuBusy& busy_ns, const CpuSiblings& siblings,
                       Nanoseconds interval) {
  CpuWeights result;
  if (weights == PackageWeights::time || interval <= Nanoseconds(0)) return result;
  const auto tick_ns = static_cast<std::uint64_t>(interval.count());
  for (const auto& [cpu, others] : siblings) {
    std::uint64_t alone_ppm = full_weight_ppm;
    for (const auto other : others)
      alone_ppm = alone_ppm * (full_weight_ppm - busy_ppm(busy_ns, other, tick_ns)) / full_weight_ppm;
    const std::uint64_t shared_ppm = full_weight_ppm - alone_ppm;
    result[cpu] = static_cast<std::uint32_t>(
        full_weight_ppm - shared_ppm * (full_weight_ppm - shared_core_weight_ppm) / full_weight_ppm);
  }
  return result;
}

std::uint64_t weighed(std::uint64_t work_ns, std::uint32_t cpu, const CpuWeights& weights) {
  const auto found = weights.find(cpu);
  if (found == weights.end()) return work_ns;
  return static_cast<std::uint64_t>(Wide(work_ns) * found->second / full_weight_ppm);
}

}  // namespace vpowercap
