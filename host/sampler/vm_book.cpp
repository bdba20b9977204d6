// SPDX-License-Identifier: Apache-2.0
// Keeping of one VM's record.
#include "host/sampler/vm_book.hpp"

#include <algorithm>
#include <vector>

namespace vpowercap {
namespace {

void fold_into_first_socket(VmRecord& record, std::uint32_t new_sockets) {
  for (std::uint32_t socket = std::max(1u, new_sockets); socket < record.sockets; ++socket) {
    for (const auto domain : virtual_domains) {
      auto& from = record.zone(socket, domain);
      auto& to = record.zone(0, domain);
      to.idle_uj += from.idle_uj;
      to.dynamic_uj += from.dynamic_uj;
      from.idle_uj = from.dynamic_uj = 0;
    }
  }
}

void add(VirtualZoneRecord& zone, const Share& share, bool hides_idle) {
  zone.idle_uj += share.idle.count;
  zone.dynamic_uj += share.dynamic.count;
  zone.owed_uj += static_cast<std::int64_t>(share.dynamic.count + (hides_idle ? 0 : share.idle.count));
}

void take_up(VirtualZoneRecord& zone, std::int64_t energy_uj) {
  zone.shown_uj += static_cast<std::uint64_t>(std::max<std::int64_t>(0, energy_uj));
  zone.owed_uj -= std::max<std::int64_t>(0, energy_uj);
}

/// One value per socket shown; sockets that are not shown count with the last.
std::vector<std::uint64_t> folded(std::span<const std::uint64_t> by_guest_socket, std::size_t sockets) {
  std::vector<std::uint64_t> sums(sockets, 0);
  for (std::size_t i = 0; i < by_guest_socket.size(); ++i)
    sums[std::min(i, sockets - 1)] += by_guest_socket[i];
  return sums;
}

}  // namespace

void describe_vm(VmRecord& record, const VmDescription& vm, const HostRecord& host) {
  const auto sockets = vm.topology.zones(vm.settings.topology, host.packages);
  if (record.sockets > sockets) fold_into_first_socket(record, sockets);
  record.uuid = vm.uuid;
  record.name.assign(vm.name);
  record.state = vm.state;
  record.method = host.method;
  record.vcpus = vm.topology.vcpus;
  record.owned_vcpus = vm.topology.owned();
  record.sockets = sockets;
  record.guest_sockets = vm.topology.sockets;
  record.energy_mode = vm.settings.energy_mode;
  record.topology = vm.settings.topology;
  record.grid_ns = std::max<std::uint64_t>(1, vm.settings.grid_ns);
  record.quantum_uj = std::max<std::uint64_t>(1, vm.settings.quantum_uj);
  record.max_energy_range_uj = vm.settings.max_energy_range_uj;
  record.is_off = vm.settings.is_off;
  record.hides_subzones = vm.settings.hides_subzones;
  record.hides_idle = vm.settings.hides_idle;
  record.blind_seconds = vm.settings.blind_seconds;
  record.stopped_ns = 0;
  if (vm.pid != 0) {
    if (record.pid != vm.pid || record.pid_start_ticks != vm.pid_start_ticks) record.work_mark_ns = 0;
    record.pid = vm.pid;
    record.pid_start_ticks = vm.pid_start_ticks;
  }
}

VmSettings settings_of(const VmRecord& record) {
  return {.grid_ns = record.grid_ns,
          .quantum_uj = record.quantum_uj,
          .max_energy_range_uj = record.max_energy_range_uj,
          .energy_mode = record.energy_mode,
          .topology = record.topology,
          .is_off = record.is_off != 0,
          .hides_subzones = record.hides_subzones != 0,
          .hides_idle = record.hides_idle != 0,
          .blind_seconds = record.blind_seconds};
}

void book_share(VmRecord& record, EnergyDomain domain, const Share& share,
                std::span<const std::uint64_t> socket_work_ns,
                std::span<const std::uint64_t> socket_vcpus, std::uint32_t host_package) {
  if (record.topology == TopologyView::host && record.sockets > 1) {
    add(record.zone(std::min(host_package, record.sockets - 1), domain), share, record.hides_idle != 0);
    return;
  }
  const std::size_t sockets = std::max(1u, record.sockets);
  const auto shares =
      spread_over_sockets(share, folded(socket_work_ns, sockets), folded(socket_vcpus, sockets));
  for (std::uint32_t socket = 0; socket < shares.size(); ++socket)
    add(record.zone(socket, domain), shares[socket], record.hides_idle != 0);
}

void show(VmRecord& record, VmPaces& paces, std::uint64_t work_ns, Nanoseconds length) {
  if (record.blind_seconds == 0) paces.clear();
  for (std::uint32_t socket = 0; socket < record.sockets; ++socket)
    for (const auto domain : virtual_domains) {
      auto& zone = record.zone(socket, domain);
      if (record.blind_seconds == 0) {
        take_up(zone, zone.owed_uj);
        continue;
      }
      const Nanoseconds constant = std::chrono::seconds(record.blind_seconds);
      auto& pace = paces[{socket, domain}];
      take_up(zone, pace.step({zone.dynamic_uj, record.hides_idle != 0 ? 0 : zone.idle_uj},
                              zone.owed_uj, {work_ns, length}, constant));
    }
}

void publish(VmRecord& record, Nanoseconds now, bool force) {
  const std::uint64_t time = static_cast<std::uint64_t>(now.count());
  const std::uint64_t grid = std::max<std::uint64_t>(1, record.grid_ns);
  if (!force && time / grid <= record.published_ns / grid) return;
  record.published_ns = time / grid * grid;
  for (std::uint32_t socket = 0; socket < record.sockets; ++socket)
    for (const auto domain : virtual_domains) {
      auto& zone = record.zone(socket, domain);
      if (force) take_up(zone, zone.owed_uj);
      const auto value = published_value(zone.shown_uj, record.quantum_uj);
      zone.published_uj = std::max(zone.published_uj, value);
    }
}

void publish_new_zones(VmRecord& record) {
  for (std::uint32_t socket = 0; socket < record.sockets; ++socket)
    for (const auto domain : virtual_domains) {
      auto& zone = record.zone(socket, domain);
      if (zone.published_uj == 0) zone.published_uj = record.quantum_uj;
    }
}

}  // namespace vpowercap
