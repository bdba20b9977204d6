// SPDX-License-Identifier: Apache-2.0
// Scaphandre's published formula for VMs (qemu exporter of version 1.0.2): every 5 s, a VM's share of
// the CPU time of the whole host, idle time included, times the host's energy. The published code adds
// microwatts as if they were microjoules, which makes its counter five times too low; here the formula
// is used without that error, so that what is compared is the method.
#include <algorithm>

#include "tests/sim/file_view.hpp"
#include "tests/sim/system.hpp"

namespace vpowercap::sim {
namespace {

class Scaphandre final : public System {
 public:
  explicit Scaphandre(const KernelFiles& files) : files_(files) {}

  [[nodiscard]] std::string name() const override { return "scaphandre"; }
  [[nodiscard]] std::int64_t next_ms() const override { return next_ms_; }
  void vm_started(std::size_t vm, const Process& process) override { pids_[vm] = process.pid; }
  void vm_ended(std::size_t) override {}
  [[nodiscard]] Estimates estimates() const override { return estimates_; }

  void sample(std::int64_t now_ms) override {
    next_ms_ = now_ms + 5000;
    const auto host = read_host_ticks(files_.proc_root());
    const auto packages = read_packages(files_.sysfs_root());
    const auto processes = read_process_ticks(files_.proc_root());
    double energy_j = 0;
    bool wrapped = false;
    for (std::size_t i = 0; i < last_packages_.size(); ++i) {
      wrapped = wrapped || packages[i] < last_packages_[i];
      energy_j += static_cast<double>(packages[i] - last_packages_[i]) / 1e6;
    }
    // A wrap of any package makes the host's power 0 for the interval.
    if (wrapped) energy_j = 0;
    for (const auto& [vm, pid] : pids_) {
      const auto now = processes.find(pid);
      const auto before = last_processes_.find(pid);
      if (now == processes.end() || before == last_processes_.end()) continue;
      const double share = static_cast<double>(now->second - before->second) /
                           static_cast<double>(std::max<std::uint64_t>(1, host.all - last_host_.all));
      estimates_[vm].total_j += share * energy_j;
      estimates_[vm].dynamic_j += share * energy_j;
    }
    last_host_ = host;
    last_packages_ = packages;
    last_processes_ = processes;
  }

 private:
  const KernelFiles& files_;
  std::int64_t next_ms_ = 0;
  std::map<std::size_t, std::int64_t> pids_;
  HostTicks last_host_;
  std::vector<std::uint64_t> last_packages_;
  std::map<std::int64_t, std::uint64_t> last_processes_;
  Estimates estimates_;
};

}  // namespace

std::unique_ptr<System> make_scaphandre(const KernelFiles& files) {
  return std::make_unique<Scaphandre>(files);
}

}  // namespace vpowercap::sim
