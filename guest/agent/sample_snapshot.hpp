// SPDX-License-Identifier: Apache-2.0
// Ledger records for tests of the formatters.
#pragma once

#include <string_view>

#include "common/ledger/records.hpp"

namespace vpowercap::testing {

inline const Uuid vm_uuid = *Uuid::parse("11111111-2222-4333-8444-555555555555");

inline HostRecord host_record() {
  HostRecord host;
  host.method = Method::model;
  host.zone_count = 1;
  host.cpus = 8;
  auto& zone = host.zones[0];
  zone.id.assign("intel-rapl:0");
  zone.name.assign("package-0");
  zone.energy_uj = 9'000'000;
  zone.remainder_uj = 4'000'000;
  zone.idle_uj = 3'000'000;
  zone.power_uw = 42'000'000;
  zone.gaps = 2;
  return host;
}

inline VmRecord vm_record(std::string_view name) {
  VmRecord vm;
  vm.uuid = vm_uuid;
  vm.state = VmState::running;
  vm.method = Method::model;
  vm.name.assign(name);
  vm.vcpus = 4;
  vm.sockets = 2;
  vm.domain_mask = 1u << static_cast<unsigned>(EnergyDomain::package) |
                   1u << static_cast<unsigned>(EnergyDomain::dram);
  vm.work_ns = 2'500'000'000;
  vm.power_uw = 7'500'000;
  vm.zone(0, EnergyDomain::package) = {1'000'000, 2'000'000, 2'999'000};
  vm.zone(1, EnergyDomain::dram) = {0, 500'000, 500'000};
  return vm;
}

}  // namespace vpowercap::testing
