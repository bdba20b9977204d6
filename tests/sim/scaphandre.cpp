// SPDX-License-Identifier: Apache-2.0
// Scaphandre's published formula for VMs (qemu exporter of version 1.0.2): every 5 s, a VM's share of
// the CPU time of the whole host, idle time included, times the host's energy. The published code adds
// microwatts as if they were microjoules, which makes its counter five times too low; here the formula
// is used without that error, so that what is compared is the method.
#include <algorithm>

#include "tests/sim/process_system.hpp"

namespace vpowercap::sim {
namespace {

class Scaphandre final : public ProcessSystem {
 public:
  using ProcessSystem::ProcessSystem;

  [[nodiscard]] std::string name() const override { return "scaphandre"; }

 private:
  void attribute(const ProcessSample& last, const ProcessSample& now) override {
    double energy_j = 0;
    for (std::size_t i = 0; i < now.packages_uj.size(); ++i) {
      // A wrap of any package makes the host's power 0 for the interval.
      if (now.packages_uj[i] < last.packages_uj[i]) return;
      energy_j += static_cast<double>(now.packages_uj[i] - last.packages_uj[i]) / 1e6;
    }
    const auto capacity = std::max<std::uint64_t>(1, now.host.all - last.host.all);
    for (const auto& [vm, pid] : pids()) {
      const auto used = now.process_ticks.find(pid);
      const auto before = last.process_ticks.find(pid);
      if (used == now.process_ticks.end() || before == last.process_ticks.end()) continue;
      const double share =
          static_cast<double>(used->second - before->second) / static_cast<double>(capacity);
      add(vm, share * energy_j);
    }
  }
};

}  // namespace

std::unique_ptr<System> make_scaphandre(const KernelFiles& files) {
  return std::make_unique<Scaphandre>(files);
}

}  // namespace vpowercap::sim
