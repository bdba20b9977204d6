// SPDX-License-Identifier: Apache-2.0
// Bounds per domain.
#include "host/rapl/power_bound.hpp"

#include <algorithm>

namespace vpowercap {
namespace {

constexpr std::uint64_t watt = 1'000'000;
constexpr std::uint64_t lowest = 250 * watt;
constexpr std::uint64_t highest = 1500 * watt;
constexpr std::uint64_t unknown = 1000 * watt;
constexpr std::uint64_t turbo = 4;

}  // namespace

std::uint64_t power_bound(EnergyDomain domain, std::uint64_t max_power_uw) {
  if (domain == EnergyDomain::psys) return 5000 * watt;
  if (domain == EnergyDomain::dram) return 500 * watt;
  if (max_power_uw == 0) return unknown;
  return std::clamp(std::min(max_power_uw, highest) * turbo, lowest, highest);
}

}  // namespace vpowercap
