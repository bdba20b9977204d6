// SPDX-License-Identifier: Apache-2.0
// Who used the energy of one zone in one tick: the formula and its conservation law.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/clock.hpp"
#include "common/model/vm.hpp"
#include "common/units/microjoules.hpp"

namespace vpowercap {

/// What one VM did on one package in one tick.
struct VmLoad {
  std::uint64_t work = 0;         ///< CPU time of all its threads on this package in ns; see by_traffic
  std::uint64_t milli_vcpus = 0;  ///< thousandths of vCPUs that it has a right to run here
  Nanoseconds alive{0};           ///< how much of the tick it existed, 0 to the tick's length
};

/// What the package's CPUs did in the tick.
struct PackageLoad {
  std::uint64_t busy = 0;  ///< work of all its CPUs, whoever did it, in the unit of VmLoad::work
  std::uint64_t milli_cpus = 1000;  ///< thousandths of its CPUs: what milli_vcpus count against
  Nanoseconds interval{0};          ///< measured length of the tick
};

/// Energy of one zone in one tick.
struct ZoneEnergy {
  Microjoules delta;  ///< all of it
  Microjoules idle;   ///< of it, what the idle machine would have drawn; at most delta
};

struct Share {
  Microjoules idle;
  Microjoules dynamic;
};

/// The division: one share per VM in the order given, and what no VM got.
struct Attribution {
  std::vector<Share> vms;
  Share remainder;
};

/// Divides a zone's energy over VMs and host.
///
///   dynamic = delta - idle, by work: VM gets dynamic * work / W, W = max(busy, sum of work)
///   idle by `policy`: reserved: vCPUs * time alive against the package's CPUs * tick, scaled to 1
///                               when overcommitted;
///                     usage: as dynamic; equal: same for each VM that may run here, by time alive;
///                     none: all to the host
///
/// Law: the sum of all shares and the remainder is `energy.delta` exactly, idle and dynamic apart.
/// `energy.idle` above `energy.delta` counts as `energy.delta`. Pure.
Attribution attribute(const ZoneEnergy& energy, const PackageLoad& package, std::span<const VmLoad> vms,
                      IdlePolicy policy);

/// Divides a VM's share over its virtual sockets: dynamic by the vCPU work of each socket, idle by the
/// vCPUs that each has on the package. Without work dynamic goes as idle, without vCPUs both go in
/// equal parts. `socket_work_ns` must not be empty and `socket_vcpus` is as long.
std::vector<Share> spread_over_sockets(const Share& share,
                                       std::span<const std::uint64_t> socket_work_ns,
                                       std::span<const std::uint64_t> socket_vcpus);

}  // namespace vpowercap
