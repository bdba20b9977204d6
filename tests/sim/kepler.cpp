// SPDX-License-Identifier: Apache-2.0
// Kepler's published formula (0.11): every 5 s, active energy = energy of all packages x the node's CPU
// usage ratio; a VM gets of it its QEMU process's share of all processes' CPU time. Wraps are handled.
// The rest ("idle") goes to nobody.
#include <algorithm>

#include "tests/sim/file_view.hpp"
#include "tests/sim/system.hpp"

namespace vpowercap::sim {
namespace {

class Kepler final : public System {
 public:
  explicit Kepler(const KernelFiles& files) : files_(files) {}

  [[nodiscard]] std::string name() const override { return "kepler"; }
  [[nodiscard]] std::int64_t next_ms() const override { return next_ms_; }
  void vm_started(std::size_t vm, const Process& process) override { pids_[vm] = process.pid; }
  void vm_ended(std::size_t) override {}
  [[nodiscard]] Estimates estimates() const override { return estimates_; }

  void sample(std::int64_t now_ms) override {
    next_ms_ = now_ms + 5000;
    const auto host = read_host_ticks(files_.proc_root());
    const auto packages = read_packages(files_.sysfs_root());
    const auto processes = read_process_ticks(files_.proc_root());
    if (!last_packages_.empty()) attribute(host, packages, processes);
    last_host_ = host;
    last_packages_ = packages;
    last_processes_ = processes;
  }

 private:
  using Ticks = std::map<std::int64_t, std::uint64_t>;

  void attribute(const HostTicks& host, const std::vector<std::uint64_t>& packages,
                 const Ticks& processes) {
    const auto range = read_range(files_.sysfs_root());
    double energy_j = 0;
    for (std::size_t i = 0; i < packages.size(); ++i) {
      const auto wrap = packages[i] < last_packages_[i] ? range : 0;
      energy_j += static_cast<double>(packages[i] + wrap - last_packages_[i]) / 1e6;
    }
    const double usage = static_cast<double>(host.busy - last_host_.busy) /
                         static_cast<double>(std::max<std::uint64_t>(1, host.all - last_host_.all));
    Ticks used;
    std::uint64_t all = 0;
    for (const auto& [pid, ticks] : processes) {
      const auto before = last_processes_.find(pid);
      used[pid] = ticks - (before == last_processes_.end() ? 0 : before->second);
      all += used[pid];
    }
    for (const auto& [vm, pid] : pids_) {
      const double share =
          static_cast<double>(used[pid]) / static_cast<double>(std::max<std::uint64_t>(1, all));
      estimates_[vm].total_j += share * usage * energy_j;
      estimates_[vm].dynamic_j += share * usage * energy_j;
    }
  }

  const KernelFiles& files_;
  std::int64_t next_ms_ = 0;
  std::map<std::size_t, std::int64_t> pids_;
  HostTicks last_host_;
  std::vector<std::uint64_t> last_packages_;
  Ticks last_processes_;
  Estimates estimates_;
};

}  // namespace

std::unique_ptr<System> make_kepler(const KernelFiles& files) {
  return std::make_unique<Kepler>(files);
}

}  // namespace vpowercap::sim
