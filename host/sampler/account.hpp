// SPDX-License-Identifier: Apache-2.0
// The books: what one tick's readings add to the host's and every VM's counters.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/attribution/cpu_weights.hpp"
#include "common/ledger/records.hpp"
#include "common/model/vm.hpp"
#include "common/units/microjoules.hpp"
#include "host/rapl/energy_source.hpp"

namespace vpowercap {

/// Power of an idle package, per domain, in µW; 0 where nothing is known: all energy is then dynamic.
using IdlePower = std::array<std::uint64_t, virtual_domains.size()>;

/// How energy is booked.
struct AccountOptions {
  IdlePolicy policy = IdlePolicy::reserved;
  IdlePower idle_uw{};
  PackageWeights weights = PackageWeights::time;
  /// A zone cannot draw more than this: an interval that says so is a gap. In µW.
  std::uint64_t max_zone_uw = 5'000'000'000;
  /// A stopped VM's last values stay this long.
  Nanoseconds keep_stopped{std::chrono::minutes(10)};
};

/// Work of one VM on one package since the last tick, as the package weights count it.
struct PackageWork {
  std::uint64_t total_ns = 0;
  std::vector<std::uint64_t> socket_ns;  ///< of it, vCPU work per virtual socket of the guest
};

/// One VM in one tick.
struct VmTick {
  Uuid uuid;
  std::map<std::uint32_t, PackageWork> work;  ///< by host package
  Nanoseconds alive{0};                       ///< part of the tick it existed
  std::uint64_t weighed_off_ns = 0;           ///< CPU time that the package weights took off `work`
  std::uint64_t work_mark_ns = 0;             ///< raw sum of all that counts its work now
  WorkSource work_source = WorkSource::processes;  ///< of work_mark_ns
  bool gap = false;                                ///< its work could not be read
};

/// All that one tick brings.
struct Tick {
  Nanoseconds now{0};
  std::vector<ZoneReading> zones;
  /// By package, since the last tick, as the package weights count it.
  std::map<std::uint32_t, std::uint64_t> busy_ns;
  std::map<std::uint32_t, std::uint64_t> busy_mark_ns;  ///< by package, since the machine's start
  std::vector<VmTick> vms;
};

/// Keeps the records of host and VMs. Law: after every tick, for every zone, the sum of what VMs got
/// in it and of what the remainder got equals the zone's energy to the microjoule, and no counter of a
/// living VM has gone back. Pure: no clock, no files. Not thread-safe.
class Account {
 public:
  explicit Account(AccountOptions options) : options_(options) {}

  /// Goes on from the records of an earlier writer. Raw counters are only a base for RAPL's: a model's
  /// start anew with each process.
  void resume(const HostRecord& host, const std::vector<VmRecord>& vms, Method method);

  /// Books by other rules from now on.
  void set_options(const AccountOptions& options) { options_ = options; }
  /// Sets what is fixed about the machine.
  void describe_host(Method method, std::uint32_t cpus, std::vector<std::uint32_t> packages);

  /// Makes the VM's record, or takes over changes of its name, process, topology and settings.
  void admit(const VmDescription& vm, Nanoseconds now);
  /// Marks the VM as stopped; it keeps its values for options.keep_stopped.
  void stop(const Uuid& uuid, Nanoseconds now);

  /// Books one tick. Returns what was odd, each naming its zone.
  std::vector<Error> book(const Tick& tick);

  /// UUIDs whose time is over; they are forgotten here.
  std::vector<Uuid> take_expired(Nanoseconds now);

  [[nodiscard]] const HostRecord& host() const { return host_; }
  [[nodiscard]] const std::map<Uuid, VmRecord>& vms() const { return vms_; }

 private:
  HostZoneRecord* zone_record(const ZoneReading& reading);
  void book_zone(const Tick& tick, const ZoneReading& reading, std::vector<Error>& problems);
  void divide(const Tick& tick, HostZoneRecord& zone, Microjoules delta, Nanoseconds interval);
  void finish_vm(const Tick& tick, const VmTick& vm_tick);

  AccountOptions options_;
  HostRecord host_;
  std::vector<std::uint32_t> packages_{0};
  std::map<Uuid, VmRecord> vms_;
  std::map<std::string, Nanoseconds> zone_taken_;  ///< time of each zone's last good reading
};

}  // namespace vpowercap
