// SPDX-License-Identifier: Apache-2.0
// A simulated host: CPUs, threads that want to run, a scheduler, and the true energy of each owner.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/power_model.hpp"
#include "tests/sim/random.hpp"

namespace vpowercap::sim {

/// The machine. CPUs are numbered as Linux does: first one sibling of every core, then the other.
struct HostShape {
  std::uint32_t packages = 1;
  std::uint32_t cores = 8;  ///< per package
  std::uint32_t siblings = 2;
  bool dram = false;     ///< whether RAPL shows a dram zone
  bool resctrl = false;  ///< whether each VM's vCPUs are in a monitoring group
  PowerModel power;
  std::uint64_t range_uj = 262'143'328'850;

  [[nodiscard]] std::uint32_t all_cores() const { return packages * cores; }
  [[nodiscard]] std::uint32_t cpus() const { return all_cores() * siblings; }
  [[nodiscard]] std::uint32_t core_of(std::uint32_t cpu) const { return cpu % all_cores(); }
  [[nodiscard]] std::uint32_t package_of(std::uint32_t cpu) const { return core_of(cpu) / cores; }
};

/// Share of a CPU that a thread wants at a time in seconds; 1 and more: always.
using Load = std::function<double(double)>;

/// A thread as a scenario describes it.
struct ThreadSpec {
  std::string comm;
  Load load;
  double intensity = 1;
  double memory = 0.2;
  double burst_ms = 8;              ///< mean time it runs without sleeping
  std::vector<std::uint32_t> cpus;  ///< may run here; empty: anywhere
};

/// A process: a VM's QEMU or one of the host's own.
struct ProcessSpec {
  std::string comm = "qemu-system-x86";
  std::uint32_t vcpus = 0;  ///< 0: no VM, its energy is the host's
  std::vector<ThreadSpec> threads;
};

/// A thread as it lives. Times are in ms since the host's start.
struct Thread {
  ThreadSpec spec;
  std::int64_t tid = 0;
  std::size_t process = 0;
  std::int64_t run_ms = 0;      ///< CPU time, exact
  std::int64_t shown_ms = 0;    ///< CPU time that schedstat shows
  std::int64_t left_ms = 0;     ///< of the present burst or sleep
  std::int64_t slice_ms = 0;    ///< run since it got the CPU
  std::int64_t virtual_ms = 0;  ///< what the scheduler compares
  bool wants = false;
  int on_cpu = -1;  ///< -1: not running
  std::uint32_t last_cpu = 0;
};

/// A process as it lives, with its true energy in joules.
struct Process {
  std::string comm;
  std::uint32_t vcpus = 0;
  std::int64_t pid = 0;
  std::int64_t born_ms = 0;
  bool alive = true;
  std::vector<std::size_t> threads;
  double package_dynamic_j = 0;
  double package_idle_j = 0;
  double dram_dynamic_j = 0;
  double dram_idle_j = 0;
  std::vector<double> memory_bytes;  ///< traffic by package
};

/// A package's counters in joules.
struct PackageEnergy {
  double package_j = 0;
  double dram_j = 0;
  double memory_bytes = 0;
};

/// Moves in steps of 1 ms. Truth: the energy that a step's threads cause is theirs; static energy goes
/// to VMs by the vCPUs that may run on a package over its CPUs (over all such vCPUs when there are more
/// of them), as the idle policy `reserved` declares. Deterministic for a seed.
class Host {
 public:
  Host(HostShape shape, std::uint64_t seed);

  std::size_t start(const ProcessSpec& spec);
  void end(std::size_t process);
  /// Lets the threads of a process run on these CPUs only.
  void pin(std::size_t process, const std::vector<std::uint32_t>& cpus);
  void step();

  [[nodiscard]] std::int64_t now_ms() const { return now_ms_; }
  [[nodiscard]] const HostShape& shape() const { return shape_; }
  [[nodiscard]] const std::vector<Process>& processes() const { return processes_; }
  [[nodiscard]] const std::vector<Thread>& threads() const { return threads_; }
  [[nodiscard]] const std::vector<PackageEnergy>& energy() const { return energy_; }
  /// Energy one step ago: RAPL refreshes its counters about every millisecond.
  [[nodiscard]] const std::vector<PackageEnergy>& energy_shown() const { return energy_shown_; }
  /// Busy time of each CPU in ms as the kernel's tick samples it.
  [[nodiscard]] const std::vector<std::int64_t>& busy_ms() const { return busy_ms_; }

 private:
  void advance_wish(Thread& thread);
  void release(Thread& thread);
  void take(Thread& thread, std::uint32_t cpu);
  [[nodiscard]] bool may_run(const Thread& thread, std::uint32_t cpu) const;
  [[nodiscard]] int free_cpu_for(const Thread& thread) const;
  [[nodiscard]] int cpu_to_preempt(const Thread& thread) const;
  void schedule();
  void draw_power();
  [[nodiscard]] double reserved(const Process& process, std::uint32_t package) const;
  void share_idle();
  void tick_cpus();

  HostShape shape_;
  Random random_;
  std::int64_t now_ms_ = 0;
  std::int64_t next_id_ = 1000;
  std::vector<Thread> threads_;
  std::vector<std::size_t> living_;  ///< threads, in the order of their start
  std::vector<Process> processes_;
  std::vector<int> on_cpu_;  ///< thread by CPU, -1: none
  std::vector<PackageEnergy> energy_;
  std::vector<PackageEnergy> energy_shown_;
  std::vector<std::int64_t> busy_ms_;
};

}  // namespace vpowercap::sim
