// SPDX-License-Identifier: Apache-2.0
// One VM's record: taking over its description, adding shares, publishing on its grid.
#pragma once

#include <cstdint>
#include <span>

#include "common/attribution/attribute.hpp"
#include "common/ledger/records.hpp"

namespace vpowercap {

/// Takes name, process, topology and settings over. Energy of virtual sockets that a new topology no
/// longer has moves to socket 0, so that sums stay.
void describe_vm(VmRecord& record, const VmDescription& vm, const HostRecord& host);

/// Adds a share of one host zone. `socket_work_ns` is the vCPU work per virtual socket of the guest on
/// that package, `socket_vcpus` the vCPUs that may run there (both may be shorter or empty);
/// `host_package` the package's position on the host, used where the VM is shown the host's packages.
void book_share(VmRecord& record, EnergyDomain domain, const Share& share,
                std::span<const std::uint64_t> socket_work_ns,
                std::span<const std::uint64_t> socket_vcpus, std::uint32_t host_package);

/// Sets the published value of every zone when `now` lies in a later grid interval than the last one
/// published, or always with `force` (at the VM's end). Never lets one decrease.
void publish(VmRecord& record, Nanoseconds now, bool force);

/// Gives zones that have not published yet their first value, one quantum at least.
void publish_new_zones(VmRecord& record);

}  // namespace vpowercap
