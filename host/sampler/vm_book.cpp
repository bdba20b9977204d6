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
      from = {};
    }
  }
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
  record.stopped_ns = 0;
  if (vm.pid != 0) {
    if (record.pid != vm.pid || record.pid_start_ticks != vm.pid_start_ticks) record.work_mark_ns = 0;
    record.pid = vm.pid;
    record.pid_start_ticks = vm.pid_start_ticks;
  }
}

void book_share(VmRecord& record, EnergyDomain domain, const Share& share,
                std::span<const std::uint64_t> socket_work_ns,
                std::span<const std::uint64_t> socket_vcpus, std::uint32_t host_package) {
  if (record.topology == TopologyView::host && record.sockets > 1) {
    auto& zone = record.zone(std::min(host_package, record.sockets - 1), domain);
    zone.idle_uj += share.idle.count;
    zone.dynamic_uj += share.dynamic.count;
    return;
  }
  const std::size_t sockets = std::max(1u, record.sockets);
  const auto shares =
      spread_over_sockets(share, folded(socket_work_ns, sockets), folded(socket_vcpus, sockets));
  for (std::uint32_t socket = 0; socket < shares.size(); ++socket) {
    record.zone(socket, domain).idle_uj += shares[socket].idle.count;
    record.zone(socket, domain).dynamic_uj += shares[socket].dynamic.count;
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
      const auto value = published_value(zone.idle_uj + zone.dynamic_uj, record.quantum_uj);
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
