// SPDX-License-Identifier: Apache-2.0
// Kepler's published formula (0.11): every 5 s, active energy = energy of all packages x the node's CPU
// usage ratio; a VM gets of it its QEMU process's share of all processes' CPU time. Wraps are handled.
// The rest ("idle") goes to nobody.
#include <algorithm>

#include "tests/sim/process_system.hpp"

namespace vpowercap::sim {
namespace {

class Kepler final : public ProcessSystem {
 public:
  using ProcessSystem::ProcessSystem;

  [[nodiscard]] std::string name() const override { return "kepler"; }

 private:
  void attribute(const ProcessSample& last, const ProcessSample& now) override {
    const auto range = read_range(files().sysfs_root());
    double energy_j = 0;
    for (std::size_t i = 0; i < now.packages_uj.size(); ++i) {
      const auto wrap = now.packages_uj[i] < last.packages_uj[i] ? range : 0;
      energy_j += static_cast<double>(now.packages_uj[i] + wrap - last.packages_uj[i]) / 1e6;
    }
    const double usage = static_cast<double>(now.host.busy - last.host.busy) /
                         static_cast<double>(std::max<std::uint64_t>(1, now.host.all - last.host.all));
    std::map<std::int64_t, std::uint64_t> used;
    std::uint64_t all = 0;
    for (const auto& [pid, ticks] : now.process_ticks) {
      const auto before = last.process_ticks.find(pid);
      used[pid] = ticks - (before == last.process_ticks.end() ? 0 : before->second);
      all += used[pid];
    }
    for (const auto& [vm, pid] : pids()) {
      const double share =
          static_cast<double>(used[pid]) / static_cast<double>(std::max<std::uint64_t>(1, all));
      add(vm, share * usage * energy_j);
    }
  }
};

}  // namespace

std::unique_ptr<System> make_kepler(const KernelFiles& files) {
  return std::make_unique<Kepler>(files);
}

}  // namespace vpowercap::sim
