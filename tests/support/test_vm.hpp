// SPDX-License-Identifier: Apache-2.0
// A VM's record as tests of the file system want it.
#pragma once

#include "common/ledger/writer.hpp"

namespace vpowercap::testing {

inline const Uuid known_vm = *Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db1809");
inline const Uuid unknown_vm = *Uuid::parse("00000000-0000-4000-8000-000000000001");

/// Two sockets, packages with cores; every published value is `published_uj`.
inline VmRecord vm_record(const Uuid& uuid, std::uint64_t published_uj) {
  VmRecord record;
  record.uuid = uuid;
  record.state = VmState::running;
  record.sockets = 2;
  record.domain_mask = 0b11;
  record.max_energy_range_uj = 4'294'967'295'000'000;
  for (std::uint32_t socket = 0; socket < 2; ++socket)
    for (const auto domain : virtual_domains) record.zone(socket, domain).published_uj = published_uj;
  return record;
}

}  // namespace vpowercap::testing
