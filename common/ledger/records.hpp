// SPDX-License-Identifier: Apache-2.0
// What one slot of the ledger holds, as plain data shared between processes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "common/base/uuid.hpp"
#include "common/model/energy_domain.hpp"
#include "common/model/quality.hpp"
#include "common/model/vm.hpp"
#include "common/model/work_source.hpp"

namespace vpowercap {

inline constexpr std::uint32_t ledger_version = 3;
inline constexpr std::uint32_t max_host_zones = 64;
inline constexpr std::uint32_t max_host_packages = 64;
inline constexpr std::uint32_t max_vms = 512;

/// Zero-terminated text of at most N-1 bytes.
template <std::size_t N>
struct FixedText {
  std::array<char, N> bytes{};

  void assign(std::string_view text) {
    bytes.fill('\0');
    text.substr(0, N - 1).copy(bytes.data(), N - 1);
  }
  [[nodiscard]] std::string_view view() const {
    const std::string_view all(bytes.data(), N);
    return all.substr(0, all.find('\0'));
  }
};

/// One zone of the host. Energies are cumulative since the ledger was made.
struct HostZoneRecord {
  FixedText<32> id;    ///< "intel-rapl:0:1"
  FixedText<32> name;  ///< "package-0"
  EnergyDomain domain = EnergyDomain::package;
  /// 1: never divided, all of it is remainder: psys, and AMD's core, one core's counter.
  std::uint8_t is_host_only = 0;
  std::uint16_t die = 0;  ///< M of package-N-die-M
  std::uint32_t package = 0;
  std::uint64_t energy_uj = 0;           ///< all energy of the zone, wraps removed
  std::uint64_t remainder_uj = 0;        ///< of it, what no VM got
  std::uint64_t idle_uj = 0;             ///< of it, idle energy
  std::uint64_t power_uw = 0;            ///< mean over the last tick
  std::uint64_t remainder_power_uw = 0;  ///< mean over the last tick
  /// Stretches without a usable reading: unreadable, gone, stuck, late, lost by a reset or a suspend.
  std::uint64_t gaps = 0;
  std::uint64_t raw_uj = 0;  ///< counter value up to which energy is counted, at taken_ns
  std::uint64_t max_energy_range_uj = 0;
  std::uint64_t gap_ns = 0;         ///< length of all gaps
  std::uint64_t across_gap_uj = 0;  ///< of energy_uj, what came in one piece over more than 1.5 ticks
  std::uint64_t lost_ns = 0;        ///< of gap_ns, the time whose energy is in no counter
  std::uint64_t taken_ns = 0;       ///< CLOCK_MONOTONIC of raw_uj; 0: there is none to go on from
  std::uint64_t gap_until_ns = 0;   ///< while a gap is open: up to when gap_ns has it; else 0
  std::uint64_t idle_power_uw = 0;  ///< idle power that the last tick was divided with
  IdleMethod idle_method = IdleMethod::none;
  IdleConfidence idle_confidence = IdleConfidence::none;  ///< of a learned one
  std::uint64_t idle_samples = 0;                         ///< ticks that it was learned from
  std::uint64_t lost_since_ns = 0;  ///< while taken_ns is 0: since when its time is lost; 0: it is not
};

/// The host's slot.
struct HostRecord {
  std::uint64_t tick = 0;         ///< ticks completed since the ledger was made
  std::uint64_t sampled_ns = 0;   ///< CLOCK_MONOTONIC of the last sample
  std::uint64_t interval_ns = 0;  ///< measured length of the last tick
  std::uint64_t late_ticks = 0;   ///< ticks that came more than half a period late
  Method method = Method::rapl;
  std::uint32_t zone_count = 0;
  std::uint32_t packages = 1;
  std::uint32_t cpus = 1;
  /// Busy CPU time per package up to the last tick (/proc/stat), for a writer that takes over.
  std::array<std::uint64_t, max_host_packages> busy_mark_ns{};
  std::array<HostZoneRecord, max_host_zones> zones{};
  std::uint64_t boot_offset_ns = 0;  ///< CLOCK_BOOTTIME - CLOCK_MONOTONIC at the last sample
  std::uint32_t weighs_smt = 0;      ///< 1: work beside a busy hardware thread counts less
  std::uint32_t reserved = 0;
};

/// One virtual zone of a VM. Its energy is idle_uj + dynamic_uj, cumulative.
struct VirtualZoneRecord {
  std::uint64_t idle_uj = 0;
  std::uint64_t dynamic_uj = 0;
  /// What energy_uj shows before wrapping at the VM's max_energy_range_uj: shown_uj at the last grid
  /// instant, rounded down to the quantum, never 0. Never decreases while the slot lives.
  std::uint64_t published_uj = 0;
  /// Of the energy, what the guest's counter has taken up; parts that the VM's settings hide are not in
  /// it, and a change of settings moves nothing in or out. Never decreases while the slot lives.
  std::uint64_t shown_uj = 0;
  /// What the counter is still to take up: not 0 while blind_seconds holds it back. Below 0: taken up
  /// too early.
  std::int64_t owed_uj = 0;
};

/// How good the numbers of one domain of a VM are, over all its sockets.
struct DomainQuality {
  std::uint64_t sampled_ns = 0;     ///< CLOCK_MONOTONIC of the last reading that was divided
  std::uint64_t gaps = 0;           ///< ticks in which a gap of a host zone began while the VM lived
  std::uint64_t across_gap_uj = 0;  ///< of its energy, what came in one piece over more than 1.5 ticks
  std::uint64_t gap_ns = 0;         ///< the VM's time within gaps; the longest where zones overlap
  std::uint64_t lost_ns = 0;        ///< of gap_ns, the time whose energy is in no counter
};

/// The first members of a VmRecord, for readers that only look for a VM.
struct VmHead {
  Uuid uuid;
  VmState state = VmState::free;
  Method method = Method::rapl;
};

/// A VM's slot.
struct VmRecord {
  Uuid uuid;
  VmState state = VmState::free;
  Method method = Method::rapl;
  std::uint32_t vcpus = 0;          ///< most vCPUs it can have
  std::uint32_t sockets = 0;        ///< virtual package zones shown, 1..max_virtual_sockets
  std::uint32_t guest_sockets = 0;  ///< sockets of the guest's CPU topology
  WorkSource work_source = WorkSource::processes;  ///< of work_mark_ns
  std::uint32_t domain_mask = 0;  ///< bit d set: the domain EnergyDomain(d) is attributed
  std::uint32_t energy_mode = 0400;
  IdlePolicy idle_policy = IdlePolicy::reserved;
  TopologyView topology = TopologyView::guest;
  std::uint64_t grid_ns = 0;
  std::uint64_t quantum_uj = 0;
  std::uint64_t max_energy_range_uj = 0;
  std::uint64_t work_ns = 0;       ///< CPU time charged since the slot was made
  std::uint64_t power_uw = 0;      ///< package + dram, mean over the last tick
  std::uint64_t gaps = 0;          ///< ticks that brought no usable energy or work
  std::uint64_t created_ns = 0;    ///< CLOCK_MONOTONIC
  std::uint64_t sampled_ns = 0;    ///< CLOCK_MONOTONIC of the last tick counted here
  std::uint64_t published_ns = 0;  ///< CLOCK_MONOTONIC of the last grid instant
  std::uint64_t stopped_ns = 0;    ///< CLOCK_MONOTONIC of the end; 0 while it lives
  std::int64_t pid = 0;
  std::uint64_t pid_start_ticks = 0;
  std::uint64_t work_mark_ns = 0;  ///< raw work sum at the last tick, for a writer that takes over
  FixedText<256> name;
  std::array<std::array<VirtualZoneRecord, virtual_domains.size()>, max_virtual_sockets> zones{};
  std::array<DomainQuality, virtual_domains.size()> quality{};
  /// What each domain's dynamic energy was divided by in the last tick.
  std::array<DynamicBasis, virtual_domains.size()> basis{};
  std::uint32_t owned_vcpus = 0;    ///< vCPUs it has now, of `vcpus` it can have
  std::uint32_t blind_seconds = 0;  ///< see VmSettings, as the three below
  std::uint8_t is_off = 0;
  std::uint8_t hides_subzones = 0;
  std::uint8_t hides_idle = 0;
  std::array<std::uint8_t, 5> reserved{};

  [[nodiscard]] bool has(EnergyDomain domain) const {
    return domain_mask & (1u << static_cast<unsigned>(domain));
  }
  /// True when the guest sees zones of the domain.
  [[nodiscard]] bool shows(EnergyDomain domain) const {
    return has(domain) && is_off == 0 && (domain == EnergyDomain::package || hides_subzones == 0);
  }
  [[nodiscard]] const VirtualZoneRecord& zone(std::uint32_t socket, EnergyDomain domain) const {
    return zones[socket][static_cast<std::size_t>(domain)];
  }
  [[nodiscard]] VirtualZoneRecord& zone(std::uint32_t socket, EnergyDomain domain) {
    return zones[socket][static_cast<std::size_t>(domain)];
  }
  /// Published energy of one domain over all sockets, in microjoules: what the guest can add up.
  [[nodiscard]] std::uint64_t published_sum(EnergyDomain domain) const;
  /// Attributed energy (idle + dynamic) of one domain over all sockets, in microjoules.
  [[nodiscard]] std::uint64_t energy_sum(EnergyDomain domain) const;
};

/// What a counter of `energy_uj` shows at a grid instant: rounded down to `quantum_uj` (>= 1), but
/// at least one quantum, because readers take a counter of 0 for a dead one.
std::uint64_t published_value(std::uint64_t energy_uj, std::uint64_t quantum_uj);

/// The same value wrapped at `max_range_uj`, so that max_range - previous + current is the energy
/// passed over a wrap. 0 for the range means no wrap.
std::uint64_t wrapped_value(std::uint64_t published_uj, std::uint64_t max_range_uj);

static_assert(std::is_trivially_copyable_v<VmRecord> && sizeof(VmRecord) % 8 == 0);
static_assert(sizeof(VmHead) == 24 && offsetof(VmRecord, method) == offsetof(VmHead, method));
static_assert(std::is_trivially_copyable_v<HostRecord> && sizeof(HostRecord) % 8 == 0);

}  // namespace vpowercap
