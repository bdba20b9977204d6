// SPDX-License-Identifier: Apache-2.0
// The physics of the simulated host: what a package draws, and who caused it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vpowercap::sim {

/// Watts of one package. The figures are those of a mid-size server part; docs/accuracy.md gives the
/// sources of their proportions.
struct PowerModel {
  double static_w = 25;   ///< nothing runs: leakage, uncore, shallow idle. 20-60 % of the peak
  double wake_w = 3;      ///< on top while at least one core runs: the package cannot sleep deeply
  double core_w = 5;      ///< one thread of mean intensity on a core, all cores running
  double sibling = 1.1;   ///< a core with two busy siblings draws this times one with one
  double turbo = 1.2;     ///< frequency with one core running, in that of all running
  double exponent = 2.4;  ///< dynamic power goes with frequency to this power (P = C f V^2)
  double dram_static_w = 3;
  double dram_w = 1.5;              ///< one thread of memory intensity 1
  double dram_bytes_per_j = 6.7e9;  ///< traffic that costs a joule: 10 GB/s at dram_w
};

/// One thread that ran in a step.
struct Running {
  std::uint32_t core = 0;  ///< core within its package
  double intensity = 1;    ///< power of its instructions in that of the mean
  double memory = 0.2;     ///< memory traffic: 0 none to 1 memory-bound
};

/// Watts in one step.
struct StepPower {
  double package_w = 0;            ///< all but static_w
  double dram_w = 0;               ///< all but dram_static_w
  std::vector<double> of_package;  ///< by thread as given: what it caused of package_w
  std::vector<double> of_dram;
};

/// What `running` draws on a package of `cores` cores. A core's power is split over its siblings by
/// their intensity, the waking of the package over all threads by their power. Law: the parts sum to
/// the whole.
StepPower power_of(const PowerModel& model, std::uint32_t cores, std::span<const Running> running);

}  // namespace vpowercap::sim
