// SPDX-License-Identifier: Apache-2.0
// The physics of the simulated host.
#include "tests/sim/power_model.hpp"

#include <cmath>

namespace vpowercap::sim {

StepPower power_of(const PowerModel& model, std::uint32_t cores, std::span<const Running> running) {
  StepPower power;
  std::vector<double> intensity(cores, 0);
  std::vector<std::uint32_t> threads(cores, 0);
  std::uint32_t active = 0;
  for (const auto& thread : running) {
    if (threads[thread.core]++ == 0) ++active;
    intensity[thread.core] += thread.intensity;
  }
  if (active == 0) return power;
  // Turbo falls evenly from one running core to all of them.
  const double busy = cores > 1 ? static_cast<double>(active - 1) / (cores - 1) : 1;
  const double frequency = model.turbo - (model.turbo - 1) * busy;
  const double core_w = model.core_w * std::pow(frequency, model.exponent);
  for (const auto& thread : running) {
    const auto siblings = threads[thread.core];
    // With n threads of mean intensity m the core draws core_w * m * factor; each causes its part.
    const double factor = siblings > 1 ? model.sibling / siblings : 1;
    power.of_package.push_back(core_w * factor * thread.intensity);
    power.package_w += power.of_package.back();
    power.of_dram.push_back(model.dram_w * thread.memory);
    power.dram_w += power.of_dram.back();
  }
  const double whole = power.package_w + model.wake_w;
  for (auto& part : power.of_package) part *= whole / power.package_w;
  power.package_w = whole;
  return power;
}

}  // namespace vpowercap::sim
