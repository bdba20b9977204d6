// SPDX-License-Identifier: Apache-2.0
// What one tick's readings bring to the books.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/uuid.hpp"
#include "common/model/work_source.hpp"
#include "host/rapl/energy_source.hpp"
#include "host/sampler/zone_scope.hpp"

namespace vpowercap {

/// Work of one VM on the CPUs of one scope since the last tick, as the package weights count it.
struct PackageWork {
  std::uint64_t total_ns = 0;
  std::vector<std::uint64_t> socket_ns;  ///< of it, vCPU work per virtual socket of the guest

  PackageWork& operator+=(const PackageWork& other);
};

/// One VM in one tick. What is by scope is there for packages, and for each die of those with several.
struct VmTick {
  Uuid uuid;
  std::map<ZoneScope, PackageWork> work;
  /// For each virtual socket of the guest: thousandths of vCPUs that may run there. Empty when not
  /// known: then the VM's vCPUs count as spread over all packages.
  std::map<ZoneScope, std::vector<std::uint64_t>> reserved;
  Nanoseconds alive{0};              ///< part of the tick it existed
  std::uint64_t weighed_off_ns = 0;  ///< CPU time that the package weights took off `work`
  std::uint64_t work_mark_ns = 0;    ///< raw sum of all that counts its work now
  WorkSource work_source = WorkSource::processes;             ///< of work_mark_ns
  bool gap = false;                                           ///< its work could not be read
  std::optional<std::map<ZoneScope, std::uint64_t>> traffic;  ///< bytes, where they are counted apart
};

/// Bytes of the VM's memory traffic in `scope`; nullopt: not counted apart.
std::optional<std::uint64_t> traffic_in(const VmTick& vm, ZoneScope scope);

/// All that one tick brings.
struct Tick {
  Nanoseconds now{0};
  std::vector<ZoneReading> zones;
  std::map<ZoneScope, std::uint64_t> busy_ns;  ///< since the last tick, as the package weights count it
  std::map<std::uint32_t, std::uint64_t> busy_mark_ns;  ///< by package, since the machine's start
  std::vector<VmTick> vms;
  /// CLOCK_BOOTTIME - CLOCK_MONOTONIC: grows by the time the machine is suspended.
  Nanoseconds boot_offset{0};
  std::map<ZoneScope, std::uint64_t> traffic;  ///< bytes of all memory traffic; empty: not known
};

}  // namespace vpowercap
