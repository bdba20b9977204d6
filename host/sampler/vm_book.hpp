// SPDX-License-Identifier: Apache-2.0
// One VM's record: taking over its description, adding shares, publishing on its grid.
#pragma once

#include <cstdint>
#include <span>

#include "common/attribution/attribute.hpp"
#include "common/ledger/records.hpp"
#include "host/sampler/pace.hpp"

namespace vpowercap {

/// Takes name, process, topology and settings over. Energy of virtual sockets that a new topology no
/// longer has moves to socket 0, so that sums stay; what guests were shown stays where it was.
void describe_vm(VmRecord& record, const VmDescription& vm, const HostRecord& host);

/// The settings that a record was last given.
VmSettings settings_of(const VmRecord& record);

/// Adds a share of one host zone. `socket_work_ns` is the vCPU work per virtual socket of the guest on
/// that package, `socket_vcpus` the vCPUs that may run there (both may be shorter or empty);
/// `host_package` the package's position on the host, used where the VM is shown the host's packages.
void book_share(VmRecord& record, EnergyDomain domain, const Share& share,
                std::span<const std::uint64_t> socket_work_ns,
                std::span<const std::uint64_t> socket_vcpus, std::uint32_t host_package);

/// Lets the counters take up what they are owed: all of it, or what `paces` say where the VM is blind
/// to its neighbours. `work_ns` is the VM's work in the tick of that length. Once per tick.
void show(VmRecord& record, VmPaces& paces, std::uint64_t work_ns, Nanoseconds length);

/// Sets the published value of every zone when `now` lies in a later grid interval than the last one
/// published. With `force` (at the VM's end) always, and with all that is owed. Never lets one
/// decrease.
void publish(VmRecord& record, Nanoseconds now, bool force);

/// Gives zones that have not published yet their first value, one quantum at least.
void publish_new_zones(VmRecord& record);

}  // namespace vpowercap
