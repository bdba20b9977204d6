// SPDX-License-Identifier: Apache-2.0
// A system under comparison: reads the simulated kernel's files, says what each VM used.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "common/attribution/cpu_weights.hpp"
#include "host/sampler/idle_learner.hpp"
#include "tests/sim/host.hpp"
#include "tests/sim/kernel_files.hpp"

namespace vpowercap::sim {

/// What a system says that a VM has used of the packages' and the memory's energy, in joules.
struct Estimate {
  double total_j = 0;
  double dynamic_j = 0;       ///< without idle, where the system tells the two apart; else the same
  double dram_dynamic_j = 0;  ///< of memory, where the system tells it apart
};

/// By index of the process in the host.
using Estimates = std::map<std::size_t, Estimate>;

/// One of the systems. It sees files and the hypervisor's list of VMs, nothing else of the host.
class System {
 public:
  virtual ~System() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// When it wants to sample next, in ms of the host's time.
  [[nodiscard]] virtual std::int64_t next_ms() const = 0;
  /// A VM has started or ended: what a hypervisor's event says, at the moment it happens.
  virtual void vm_started(std::size_t vm, const Process& process) = 0;
  virtual void vm_ended(std::size_t vm) = 0;
  /// Reads the files; the host's time is `now_ms`, next_ms() or later.
  virtual void sample(std::int64_t now_ms) = 0;
  [[nodiscard]] virtual Estimates estimates() const = 0;
};

/// Our system, and what is known of it beside its estimates.
class OurSystem : public System {
 public:
  virtual IdleLearner::Memory idle_memory() = 0;
  /// Idle power that the last sample was divided with, in watts: mean over the packages.
  [[nodiscard]] virtual double idle_w() const = 0;
};

/// How the operator has set up our system.
struct OurSettings {
  std::string name = "vpowercap";  ///< no two alike on a host
  std::optional<double> idle_w;    ///< per package; nullopt: not configured, so learned
  std::optional<double> idle_dram_w;
  PackageWeights weights = PackageWeights::time;
  IdleLearner::Memory learned;  ///< before the scenario begins
};

std::unique_ptr<OurSystem> make_vpowercap(const KernelFiles& files, const OurSettings& settings);
std::unique_ptr<System> make_scaphandre(const KernelFiles& files);
std::unique_ptr<System> make_qemu_rapl(const KernelFiles& files);
std::unique_ptr<System> make_kepler(const KernelFiles& files);

}  // namespace vpowercap::sim
