// SPDX-License-Identifier: Apache-2.0
// The books: what one tick's readings add to the host's and every VM's counters.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/attribution/attribute.hpp"
#include "common/attribution/cpu_weights.hpp"
#include "common/ledger/records.hpp"
#include "common/model/vm.hpp"
#include "common/units/microjoules.hpp"
#include "host/sampler/backlog.hpp"
#include "host/sampler/hand_over.hpp"
#include "host/sampler/idle_book.hpp"
#include "host/sampler/pace.hpp"
#include "host/sampler/tick.hpp"
#include "host/sampler/zone_counter.hpp"
#include "host/sampler/zone_scope.hpp"

namespace vpowercap {

/// How energy is booked.
struct AccountOptions {
  IdlePolicy policy = IdlePolicy::reserved;
  IdlePower idle_uw{};  ///< absent: learned
  PackageWeights weights = PackageWeights::time;
  /// No zone can draw more than this, in µW: an interval that says so is a gap, and so is one so long
  /// that the counter may have wrapped twice. 0: by each zone's kind and make (power_bound.hpp).
  std::uint64_t max_zone_uw = 0;
  /// The sampling period: energy that comes in one piece over more than 1.5 of them is told apart.
  Nanoseconds tick{std::chrono::seconds(1)};
  /// A stopped VM's last values stay this long, and one that is about to start is awaited this long.
  Nanoseconds keep_stopped{std::chrono::minutes(10)};
};

/// Keeps the records of host and VMs. Law: after every tick, for every zone, the sum of what VMs got
/// in it and of what the remainder got equals the zone's energy to the microjoule, and no counter of a
/// living VM has gone back. Pure: no clock, no files. Not thread-safe.
class Account {
 public:
  explicit Account(AccountOptions options) : options_(options) {}

  /// Goes on from the records of an earlier writer, with `method` from here on. Raw counters are only a
  /// base from RAPL to RAPL: a model's start anew with each process. The machine is the record's until
  /// it is described again.
  void resume(const HostRecord& host, const std::vector<VmRecord>& vms, Method method);

  /// Books by other rules from now on.
  void set_options(const AccountOptions& options) { options_ = options; }
  /// Sets what is fixed about the machine. `cpus_in` counts the CPUs of each package and die; empty:
  /// evenly over the packages.
  void describe_host(Method method, std::uint32_t cpus, std::vector<std::uint32_t> packages,
                     const std::map<ZoneScope, std::uint32_t>& cpus_in = {});

  /// Makes the VM's record, or takes over changes of its name, process, topology and settings.
  void admit(const VmDescription& vm, Nanoseconds now);
  /// Marks the VM as stopped; it keeps its values for options.keep_stopped.
  void stop(const Uuid& uuid, Nanoseconds now);

  /// Lets the VM's counters go on from another host's. False until the VM runs: a record of one that
  /// does not may be forgotten before it comes.
  bool take_over(const HandOver& state);

  /// Books one tick. Returns what was odd, each naming its zone.
  std::vector<Error> book(const Tick& tick);

  /// UUIDs whose time is over; they are forgotten here. Where there are more VMs than the ledger has
  /// room for (max_vms), those that stopped longest ago make way for the others.
  std::vector<Uuid> take_expired(Nanoseconds now);

  /// What is known of idle power; restore_idle() goes on from it.
  [[nodiscard]] IdleLearner::Memory idle_memory() const { return idle_.memory(); }
  void restore_idle(const IdleLearner::Memory& memory) { idle_.restore(memory); }

  [[nodiscard]] const HostRecord& host() const { return host_; }
  [[nodiscard]] const std::map<Uuid, VmRecord>& vms() const { return vms_; }

 private:
  /// What is kept of a zone beside its record, at the same index.
  struct ZoneState {
    ZoneCounter counter;
    Backlog backlog;
    ZoneScope scope;
  };
  /// What a piece of energy is divided by.
  struct Loads {
    std::uint64_t busy_ns;
    Nanoseconds length;
    const std::vector<VmTick>& vms;
    std::optional<std::uint64_t> traffic;  ///< bytes of all memory traffic, where known
    bool is_plain;  ///< one whole tick whose busy time is known: fit to learn from
  };

  std::vector<std::size_t> place_zones(const std::vector<ZoneReading>& zones,
                                       std::vector<Error>& problems);
  Nanoseconds take_suspend(const Tick& tick);
  void book_zone(const Tick& tick, const ZoneReading& reading, std::size_t index, Nanoseconds suspended,
                 std::vector<Error>& problems);
  void book_step(const Tick& tick, std::size_t index, const ZoneStep& step);
  void book_gap(HostZoneRecord& zone, const ZoneStep& step);
  void divide(const Loads& loads, std::size_t index, const ZoneStep& step, Nanoseconds now);
  void finish_gaps(const Tick& tick, Nanoseconds suspended);
  /// The idle part of a zone's energy, and learning from it for later ticks.
  Microjoules idle_part(std::size_t index, const ZoneStep& step, const Loads& loads);
  /// Brings the loads of dram into bytes where traffic is known. Returns what each VM's are then.
  std::vector<DynamicBasis> use_traffic(const Loads& loads, std::size_t index, PackageLoad& package,
                                        std::vector<VmLoad>& vms) const;
  [[nodiscard]] ZoneScope scope_of(const ZoneReading& reading) const;
  [[nodiscard]] std::uint64_t milli_cpus(ZoneScope scope) const;
  [[nodiscard]] VmLoad load_of(const VmTick& vm, ZoneScope scope) const;
  /// Thousandths of vCPUs of the VM per virtual socket of the guest in `scope`.
  [[nodiscard]] std::vector<std::uint64_t> reserved(const VmTick& vm, ZoneScope scope) const;
  /// Of `milli` thousandths of vCPUs spread over all CPUs, those in `scope`.
  [[nodiscard]] std::uint64_t spread_in(std::uint64_t milli, ZoneScope scope) const;
  void finish_vm(const Tick& tick, const VmTick& vm_tick);

  AccountOptions options_;
  IdleBook idle_;
  HostRecord host_;
  std::vector<std::uint32_t> packages_{0};
  std::map<ZoneScope, std::uint64_t> milli_cpus_;
  std::map<Uuid, VmRecord> vms_;
  std::map<Uuid, VmPaces> paces_;
  std::vector<ZoneState> states_;
  /// What gaps the present tick brought, per domain: the most of any zone.
  std::array<DomainQuality, virtual_domains.size()> tick_gaps_{};
};

}  // namespace vpowercap
