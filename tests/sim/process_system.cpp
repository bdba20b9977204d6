// SPDX-License-Identifier: Apache-2.0
// Sampling of processes every 5 s.
#include "tests/sim/process_system.hpp"

namespace vpowercap::sim {

void ProcessSystem::sample(std::int64_t now_ms) {
  next_ms_ = now_ms + 5000;
  ProcessSample now{read_host_ticks(files_.proc_root()), read_packages(files_.sysfs_root()),
                    read_process_ticks(files_.proc_root())};
  if (!last_.packages_uj.empty()) attribute(last_, now);
  last_ = std::move(now);
}

void ProcessSystem::add(std::size_t vm, double energy_j) {
  estimates_[vm].total_j += energy_j;
  estimates_[vm].dynamic_j += energy_j;
}

}  // namespace vpowercap::sim
