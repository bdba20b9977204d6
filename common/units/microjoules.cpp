// SPDX-License-Identifier: Apache-2.0
// Power and energy conversions in 128 bits.
#include "common/units/microjoules.hpp"

#include <limits>

#include "common/units/wide.hpp"

namespace vpowercap {
namespace {

std::uint64_t saturate(Wide value) {
  constexpr auto top = std::numeric_limits<std::uint64_t>::max();
  return value > top ? top : static_cast<std::uint64_t>(value);
}

}  // namespace

std::uint64_t mean_power_uw(Microjoules energy, Nanoseconds time) {
  if (time.count() <= 0) return 0;
  return saturate(Wide(energy.count) * 1'000'000'000 / static_cast<std::uint64_t>(time.count()));
}

Microjoules energy_of(std::uint64_t power_uw, Nanoseconds time) {
  if (time.count() <= 0) return {};
  return {saturate(Wide(power_uw) * static_cast<std::uint64_t>(time.count()) / 1'000'000'000)};
}

}  // namespace vpowercap
