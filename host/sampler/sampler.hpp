// SPDX-License-Identifier: Apache-2.0
// One tick after the other: read, attribute, write the ledger.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/ledger/writer.hpp"
#include "common/model/vm.hpp"
#include "common/procs/cpus.hpp"
#include "host/rapl/energy_source.hpp"
#include "host/sampler/account.hpp"
#include "host/sampler/awaited_vms.hpp"
#include "host/sampler/vm_meters.hpp"

namespace vpowercap {

struct SamplerOptions {
  std::string proc_root = "/proc";
  std::string sysfs_root = "/sys";
  Nanoseconds tick{std::chrono::seconds(1)};
  AccountOptions account;
  IdleLearner::Memory idle;                           ///< idle power learned earlier
  std::string libvirt_pid_dir = "/run/libvirt/qemu";  ///< names helper processes; empty: none
  std::string awaited_dir;  ///< keeps states that wait for their VMs; empty: lost with the process
};

/// Drives the books. tick() is called by one thread; the setters by any.
class Sampler {
 public:
  /// Takes what went wrong, for the log. Called by the thread that calls tick().
  using Problems = std::function<void(const Error&)>;

  Sampler(SamplerOptions options, std::unique_ptr<EnergySource> source, LedgerWriter ledger,
          Problems problems);

  /// All running VMs, as the hypervisor has just listed them. Takes effect at attend() or the next
  /// tick.
  void set_vms(std::vector<VmDescription> vms);
  /// A VM that is about to start: gets its slot and tree at the next tick, before it has a process.
  void expect(VmDescription vm);
  /// Lets a VM's counters go on from another host's, now or when the VM comes within ten minutes of
  /// `now` (CLOCK_MONOTONIC), also after a restart; while it is awaited the last state holds.
  /// Errors: as AwaitedVms::add().
  Result<void> take_over(HandOver state, Nanoseconds now);
  /// Books by other rules from the next tick on.
  void set_account_options(const AccountOptions& options);

  /// What is learned of idle power so far, to be kept for a later Sampler.
  IdleLearner::Memory idle_memory();

  /// Measures and books one tick and writes it to the ledger. `now` is CLOCK_MONOTONIC, `since_boot`
  /// CLOCK_BOOTTIME, both at the call.
  void tick(Nanoseconds now, Nanoseconds since_boot);

  /// Readable when there is something that should not wait for the next tick: VMs listed anew,
  /// processes that have ended. Thread-safe.
  [[nodiscard]] int event_fd() const { return meters_.event_fd(); }
  /// Sees to that: begins to follow new VMs and reads the last work of those that have ended, which is
  /// booked at the next tick. Times as for tick(); called by the same thread.
  void attend(Nanoseconds now, Nanoseconds since_boot);

  /// Tells readers that the thread that calls tick() is well, where the next one is far off.
  void beat(Nanoseconds now) { ledger_.beat(now); }

  /// Counters of what was booked last, for questions of the command line. Only between ticks.
  [[nodiscard]] const Account& account() const { return account_; }

 private:
  [[nodiscard]] AccountOptions with_tick(AccountOptions options) const;
  std::vector<Error> book(const Tick& tick);
  [[nodiscard]] Span span_to(Nanoseconds now, Nanoseconds since_boot) const;
  void take_news(Nanoseconds now, const Span& span);
  void follow(const VmDescription& vm, Nanoseconds now, const Span& span);
  void hand_over(Nanoseconds now);
  CpuWeights measure_busy(Tick& tick, const Span& span);
  std::vector<Uuid> add_work(Tick& tick, std::vector<VmSample> samples, const CpuWeights& weights);
  void add_traffic(Tick& tick);
  void refresh_cpus();
  void write_ledger(Nanoseconds now);

  SamplerOptions options_;
  std::unique_ptr<EnergySource> source_;
  LedgerWriter ledger_;
  Problems problems_;
  Account account_;
  CpuMap cpus_;
  Nanoseconds last_tick_{0};
  std::map<std::uint32_t, std::uint64_t> last_busy_ns_;  ///< by CPU
  VmMeters meters_;
  TrafficMeter traffic_;
  std::vector<std::pair<VmDescription, WorkMark>> resumed_;  ///< VMs of an earlier writer
  PackageWeights weights_;
  AwaitedVms awaited_;
  std::mutex mutex_;  ///< guards those below, and the books while a tick is booked
  std::optional<std::vector<VmDescription>> news_;
  std::vector<VmDescription> expected_;
  std::optional<AccountOptions> new_options_;
};

}  // namespace vpowercap
