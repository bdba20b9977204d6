// SPDX-License-Identifier: Apache-2.0
// The CPUs whose energy one zone counts.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <map>
#include <vector>

#include "common/procs/cpus.hpp"

namespace vpowercap {

/// A package of the host, or one die of it where the kernel has a zone for each (package-N-die-M).
struct ZoneScope {
  static constexpr std::uint32_t all_dies = std::numeric_limits<std::uint32_t>::max();

  std::uint32_t package = 0;     ///< physical_package_id
  std::uint32_t die = all_dies;  ///< die_id, unique within the package

  constexpr ZoneScope() = default;
  /// A whole package; not explicit, because that is what most scopes are.
  constexpr ZoneScope(std::uint32_t whole_package) : package(whole_package) {}
  constexpr ZoneScope(std::uint32_t in_package, std::uint32_t one_die)
      : package(in_package), die(one_die) {}

  [[nodiscard]] constexpr bool is_package() const { return die == all_dies; }
  auto operator<=>(const ZoneScope&) const = default;
};

/// The scopes that a CPU is in: its package, and its die where the package has several.
std::vector<ZoneScope> scopes_of(const CpuMap& cpus, std::uint32_t cpu);

/// How many online CPUs each scope has.
std::map<ZoneScope, std::uint32_t> count_cpus(const CpuMap& cpus);

}  // namespace vpowercap
