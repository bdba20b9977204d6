// SPDX-License-Identifier: Apache-2.0
// Comparison of one look at the ledger with the one before.
#include "tests/kills/ledger_laws.hpp"

#include <iostream>
#include <utility>

namespace vpowercap::testing {

void LedgerLaws::see(const std::string& what, std::uint64_t value) {
  auto& last = counters_[what];
  if (value < last && ++decreasing_ < 10)
    std::cout << what << " fell from " << last << " to " << value << std::endl;
  last = value;
}

void LedgerLaws::see_host() {
  see("tick", host_.tick);
  see("sampled_ns", host_.sampled_ns);
  see("late_ticks", host_.late_ticks);
  for (std::uint32_t i = 0; i < host_.zone_count; ++i) {
    const auto& zone = host_.zones[i];
    const auto id = std::string(zone.id.view()) + " ";
    see(id + "energy_uj", zone.energy_uj);
    see(id + "remainder_uj", zone.remainder_uj);
    see(id + "idle_uj", zone.idle_uj);
    see(id + "gaps", zone.gaps);
    see(id + "gap_ns", zone.gap_ns);
    see(id + "lost_ns", zone.lost_ns);
    see(id + "across_gap_uj", zone.across_gap_uj);
  }
}

void LedgerLaws::see_vm(const VmRecord& vm) {
  const auto id = vm.uuid.to_string() + " ";
  see(id + "work_ns", vm.work_ns);
  see(id + "gaps", vm.gaps);
  see(id + "sampled_ns", vm.sampled_ns);
  for (std::uint32_t socket = 0; socket < vm.sockets; ++socket)
    for (const auto domain : virtual_domains) {
      if (!vm.has(domain)) continue;
      const auto& zone = vm.zone(socket, domain);
      const auto name = id + std::to_string(socket) + " " + std::string(to_string(domain)) + " ";
      see(name + "idle_uj", zone.idle_uj);
      see(name + "dynamic_uj", zone.dynamic_uj);
      see(name + "published_uj", zone.published_uj);
      see(name + "shown_uj", zone.shown_uj);
    }
}

/// Its counters are kept: should it come back, none may be less.
void LedgerLaws::let_go(const VmRecord& vm) {
  gone_vms_[vm.uuid] = vm;
  gone_.sockets = max_virtual_sockets;
  for (std::uint32_t socket = 0; socket < vm.sockets; ++socket)
    for (const auto domain : virtual_domains) {
      gone_.zone(socket, domain).idle_uj += vm.zone(socket, domain).idle_uj;
      gone_.zone(socket, domain).dynamic_uj += vm.zone(socket, domain).dynamic_uj;
    }
}

void LedgerLaws::take_back(const Uuid& uuid) {
  const auto found = gone_vms_.find(uuid);
  if (found == gone_vms_.end()) return;
  ++vms_back_;
  const auto& vm = found->second;
  for (std::uint32_t socket = 0; socket < vm.sockets; ++socket)
    for (const auto domain : virtual_domains) {
      gone_.zone(socket, domain).idle_uj -= vm.zone(socket, domain).idle_uj;
      gone_.zone(socket, domain).dynamic_uj -= vm.zone(socket, domain).dynamic_uj;
    }
  gone_vms_.erase(found);
}

void LedgerLaws::look(const LedgerReader& ledger) {
  ++looks_;
  const auto host = ledger.host();
  if (!host) {
    ++errors_;
    return;
  }
  host_ = *host;
  see_host();
  const auto before = std::exchange(vms_, {});
  for (const auto& vm : ledger.vms()) {
    take_back(vm.uuid);
    see_vm(vm);
    vms_[vm.uuid] = vm;
  }
  for (const auto& [uuid, vm] : before)
    if (!vms_.contains(uuid)) let_go(vm);
  // With a tick in between, these are records of two changes.
  if (const auto again = ledger.host(); again && again->tick == host_.tick) weigh();
}

void LedgerLaws::weigh() {
  for (const auto domain : virtual_domains) {
    std::uint64_t energy = 0, divided = 0;
    for (std::uint32_t i = 0; i < host_.zone_count; ++i) {
      if (host_.zones[i].domain != domain) continue;
      energy += host_.zones[i].energy_uj;
      divided += host_.zones[i].remainder_uj;
    }
    for (const auto& [uuid, vm] : vms_) divided += vm.energy_sum(domain);
    divided += gone_.energy_sum(domain);
    if (divided == energy) continue;
    if (++unbalanced_ < 10)
      std::cout << to_string(domain) << ": of " << energy << " µJ, " << divided << " are divided"
                << std::endl;
    return;
  }
}

std::uint64_t LedgerLaws::divided_uj(std::size_t index) const {
  const auto& zone = host_.zones[index];
  const auto& gone = gone_.zone(zone.package, zone.domain);
  auto sum = zone.remainder_uj + gone.idle_uj + gone.dynamic_uj;
  for (const auto& [uuid, vm] : vms_) {
    const auto& share = vm.zone(zone.package, zone.domain);
    sum += share.idle_uj + share.dynamic_uj;
  }
  return sum;
}

}  // namespace vpowercap::testing
