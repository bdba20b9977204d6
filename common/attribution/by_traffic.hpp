// SPDX-License-Identifier: Apache-2.0
// Memory traffic in place of CPU time: who used the energy of dram.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/attribution/attribute.hpp"

namespace vpowercap {

/// Loads of which `work` and `busy` are bytes moved between CPUs and memory.
struct TrafficLoads {
  PackageLoad package;
  std::vector<VmLoad> vms;
};

/// Turns loads in CPU time into loads in bytes, for attribute(). `vm_bytes` has one entry per VM,
/// absent for one whose traffic is not counted apart: such VMs and the host share what is left of
/// `all_bytes` by CPU time. Pure.
TrafficLoads by_traffic(const PackageLoad& package, std::vector<VmLoad> vms,
                        const std::vector<std::optional<std::uint64_t>>& vm_bytes,
                        std::uint64_t all_bytes);

}  // namespace vpowercap
