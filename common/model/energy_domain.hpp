// SPDX-License-Identifier: Apache-2.0
// The RAPL domains and how a number came about.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace vpowercap {

/// A RAPL power domain (Intel SDM vol. 3B, 15.10; names as in intel_rapl_common.c).
enum class EnergyDomain : std::uint8_t { package = 0, core = 1, uncore = 2, dram = 3, psys = 4 };

/// The domains a VM's virtual zones can have, in the kernel's order of sub-zones.
inline constexpr std::array virtual_domains{EnergyDomain::package, EnergyDomain::core,
                                            EnergyDomain::uncore, EnergyDomain::dram};

/// "package", "core", "uncore", "dram" or "psys".
std::string_view to_string(EnergyDomain domain);

/// How a number came about. Shown wherever the number is.
enum class Method : std::uint32_t { rapl = 0, model = 1 };

/// "rapl" or "model".
std::string_view to_string(Method method);

/// What a powercap zone's name says: its domain, and for packages their number and die.
struct ZoneName {
  EnergyDomain domain = EnergyDomain::package;
  std::uint32_t package = 0;  ///< N of package-N, psys-N; 0 where the name holds none
  std::optional<std::uint32_t> die;
};

/// Parses a zone's name without its newline: package-N, package-N-die-M, core, uncore, dram, psys,
/// psys-N. Any other name is none of RAPL's: nullopt.
std::optional<ZoneName> parse_zone_name(std::string_view name);

}  // namespace vpowercap
