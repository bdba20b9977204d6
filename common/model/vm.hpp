// SPDX-License-Identifier: Apache-2.0
// What is known of a virtual machine before any energy is counted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/uuid.hpp"

namespace vpowercap {

/// Most virtual sockets one VM's tree shows; a VM with more is shown as `single`.
inline constexpr std::uint32_t max_virtual_sockets = 64;

/// Life of a VM as the ledger shows it.
enum class VmState : std::uint32_t { free = 0, starting = 1, running = 2, stopped = 3 };
std::string_view to_string(VmState state);

/// Who pays for idle power: by vCPUs owned, by work done, in equal parts, or nobody (the host).
enum class IdlePolicy : std::uint32_t { reserved = 0, usage = 1, equal = 2, none = 3 };
std::string_view to_string(IdlePolicy policy);
std::optional<IdlePolicy> parse_idle_policy(std::string_view text);

/// Which packages a VM's tree shows.
enum class TopologyView : std::uint32_t { guest = 0, single = 1, host = 2 };
std::string_view to_string(TopologyView view);
std::optional<TopologyView> parse_topology_view(std::string_view text);

/// How a VM's counters are shown to it.
struct VmSettings {
  std::uint64_t grid_ns = 1'000'000'000;  ///< counters change only at multiples of this
  std::uint64_t quantum_uj = 1000;        ///< counters are multiples of this; at least 1
  std::uint64_t max_energy_range_uj = 4'294'967'295'000'000;  ///< counters wrap here
  std::uint32_t energy_mode = 0400;                           ///< permission bits of energy_uj
  TopologyView topology = TopologyView::guest;
  bool is_off = false;          ///< the VM sees no zones; its energy is counted all the same
  bool hides_subzones = false;  ///< it sees packages only
  bool hides_idle = false;      ///< its counters are dynamic energy only
  /// Its counters follow what others do with this time constant only, in seconds; 0: at once.
  std::uint32_t blind_seconds = 0;
};

/// CPU topology that the guest sees (libvirt: <vcpu>, <cpu><topology>).
/// Without a <topology> libvirt gives each vCPU a socket of its own.
struct VmTopology {
  std::uint32_t vcpus = 1;    ///< most vCPUs the VM can have
  std::uint32_t sockets = 1;  ///< >= 1
  std::uint32_t current = 0;  ///< vCPUs plugged in now; 0: all
  /// Sockets up to the last that has a vCPU plugged in: the guest has no package for those beyond. 0: all.
  std::uint32_t plugged_sockets = 0;

  /// vCPUs the VM owns: those plugged in now.
  [[nodiscard]] std::uint32_t owned() const;
  /// Virtual sockets shown under `view` on a host of `host_packages` packages.
  [[nodiscard]] std::uint32_t zones(TopologyView view, std::uint32_t host_packages) const;
  /// Virtual socket of vCPU number `vcpu` (QEMU numbers vCPUs socket by socket).
  [[nodiscard]] std::uint32_t socket_of(std::uint32_t vcpu) const;
};

/// A virtual machine as the hypervisor describes it.
struct VmDescription {
  Uuid uuid;
  std::string name;  ///< a label: any UTF-8, never a path, never a key
  VmState state = VmState::running;
  std::int64_t pid = 0;               ///< QEMU's process; 0 while there is none
  std::uint64_t pid_start_ticks = 0;  ///< field 22 of /proc/PID/stat: guards against PID reuse
  VmTopology topology;
  VmSettings settings;
};

}  // namespace vpowercap
