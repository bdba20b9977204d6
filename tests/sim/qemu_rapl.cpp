// SPDX-License-Identifier: Apache-2.0
// QEMU's formula for its emulated RAPL MSRs (-accel kvm,rapl=on; 9.1): a thread per VM sleeps a second
// and gives each vCPU thread  energy of its package x its ticks / (ticks per second x CPUs of the
// package), taking the interval for 1.000 s. Package only; an interval with a wrap is lost.
#include <algorithm>
#include <limits>

#include "common/procs/stat_line.hpp"
#include "tests/sim/file_view.hpp"
#include "tests/sim/system.hpp"

namespace vpowercap::sim {
namespace {

class QemuRapl final : public System {
 public:
  explicit QemuRapl(const KernelFiles& files)
      : files_(files), package_of_cpu_(read_package_of_cpu(files.sysfs_root())) {}

  [[nodiscard]] std::string name() const override { return "qemu-rapl"; }
  [[nodiscard]] std::int64_t next_ms() const override {
    std::int64_t next = std::numeric_limits<std::int64_t>::max();
    for (const auto& [vm, state] : vms_) next = std::min(next, state.next_ms);
    return next;
  }
  void vm_started(std::size_t vm, const Process& process) override {
    vms_[vm] = {process.pid, process.born_ms + 1000, read_packages(files_.sysfs_root()),
                read_threads(files_.proc_root(), process.pid)};
  }
  void vm_ended(std::size_t vm) override { vms_.erase(vm); }
  [[nodiscard]] Estimates estimates() const override { return estimates_; }

  void sample(std::int64_t now_ms) override {
    const auto packages = read_packages(files_.sysfs_root());
    for (auto& [vm, state] : vms_) {
      if (now_ms < state.next_ms) continue;
      const auto threads = read_threads(files_.proc_root(), state.pid);
      for (const auto& [tid, thread] : threads) attribute(estimates_[vm], state, packages, tid, thread);
      state.next_ms = now_ms + 1000;
      state.packages = packages;
      state.threads = threads;
    }
  }

 private:
  struct Vm {
    std::int64_t pid = 0;
    std::int64_t next_ms = 0;
    std::vector<std::uint64_t> packages;  ///< counters at the last sample
    std::map<std::int64_t, TaskTicks> threads;
  };

  void attribute(Estimate& estimate, const Vm& last, const std::vector<std::uint64_t>& packages,
                 std::int64_t tid, const TaskTicks& thread) const {
    const auto before = last.threads.find(tid);
    if (!vcpu_of(thread.comm) || before == last.threads.end()) return;
    const auto package = package_of_cpu_[thread.cpu];
    if (packages[package] < last.packages[package]) return;
    const double energy_j = static_cast<double>(packages[package] - last.packages[package]) / 1e6;
    const auto cpus = std::count(package_of_cpu_.begin(), package_of_cpu_.end(), package);
    const double share =
        static_cast<double>(thread.ticks - before->second.ticks) / (100.0 * static_cast<double>(cpus));
    estimate.total_j += share * energy_j;
    estimate.dynamic_j += share * energy_j;
  }

  const KernelFiles& files_;
  std::vector<std::uint32_t> package_of_cpu_;
  std::map<std::size_t, Vm> vms_;
  Estimates estimates_;
};

}  // namespace

std::unique_ptr<System> make_qemu_rapl(const KernelFiles& files) {
  return std::make_unique<QemuRapl>(files);
}

}  // namespace vpowercap::sim
