// SPDX-License-Identifier: Apache-2.0
// What scaphandre and kepler have in common: every 5 s they compare the CPU ticks of whole processes.
#pragma once

#include <map>
#include <vector>

#include "tests/sim/file_view.hpp"
#include "tests/sim/system.hpp"

namespace vpowercap::sim {

/// All that such a system reads at one time.
struct ProcessSample {
  HostTicks host;
  std::vector<std::uint64_t> packages_uj;               ///< counters by package
  std::map<std::int64_t, std::uint64_t> process_ticks;  ///< CPU time in 10 ms by pid
};

/// A system that knows a VM by its QEMU process and never forgets one. A formula of its own is all
/// that a derived class adds.
class ProcessSystem : public System {
 public:
  explicit ProcessSystem(const KernelFiles& files) : files_(files) {}

  [[nodiscard]] std::int64_t next_ms() const final { return next_ms_; }
  void vm_started(std::size_t vm, const Process& process) final { pids_[vm] = process.pid; }
  void vm_ended(std::size_t) final {}
  [[nodiscard]] Estimates estimates() const final { return estimates_; }
  void sample(std::int64_t now_ms) final;

 protected:
  /// Books the energy between two samples by calls of add().
  virtual void attribute(const ProcessSample& last, const ProcessSample& now) = 0;
  /// Adds to a VM's energy; these systems do not tell idle and dynamic energy apart.
  void add(std::size_t vm, double energy_j);

  [[nodiscard]] const KernelFiles& files() const { return files_; }
  [[nodiscard]] const std::map<std::size_t, std::int64_t>& pids() const { return pids_; }

 private:
  const KernelFiles& files_;
  std::int64_t next_ms_ = 0;
  std::map<std::size_t, std::int64_t> pids_;  ///< by VM
  ProcessSample last_;                        ///< without packages before the first sample
  Estimates estimates_;
};

}  // namespace vpowercap::sim
