// SPDX-License-Identifier: Apache-2.0
// Names of domains, methods and zones.
#include "common/model/energy_domain.hpp"

#include <charconv>

namespace vpowercap {
namespace {

/// Takes a decimal number off the front of `text`.
std::optional<std::uint32_t> take_number(std::string_view& text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string_view to_string(EnergyDomain domain) {
  switch (domain) {
    case EnergyDomain::package: return "package";
    case EnergyDomain::core: return "core";
    case EnergyDomain::uncore: return "uncore";
    case EnergyDomain::dram: return "dram";
    case EnergyDomain::psys: return "psys";
  }
  return "unknown";
}

std::string_view to_string(Method method) { return method == Method::rapl ? "rapl" : "model"; }

std::optional<ZoneName> parse_zone_name(std::string_view name) {
  if (name == "core") return ZoneName{EnergyDomain::core, 0, {}};
  if (name == "uncore") return ZoneName{EnergyDomain::uncore, 0, {}};
  if (name == "dram") return ZoneName{EnergyDomain::dram, 0, {}};
  if (name == "psys") return ZoneName{EnergyDomain::psys, 0, {}};
  const bool is_psys = take(name, "psys-");
  if (!is_psys && !take(name, "package-")) return std::nullopt;
  ZoneName zone{is_psys ? EnergyDomain::psys : EnergyDomain::package, 0, {}};
  const auto package = take_number(name);
  if (!package) return std::nullopt;
  zone.package = *package;
  if (!is_psys && take(name, "-die-")) {
    zone.die = take_number(name);
    if (!zone.die) return std::nullopt;
  }
  if (!name.empty()) return std::nullopt;
  return zone;
}

}  // namespace vpowercap
