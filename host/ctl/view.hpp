// SPDX-License-Identifier: Apache-2.0
// What the ledger says, ready to be shown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.hpp"
#include "common/ledger/reader.hpp"

namespace vpowercap {

/// One look at the ledger. Records as they are; the sums that people ask for beside them.
struct LedgerView {
  HostRecord host;
  std::vector<VmRecord> vms;  ///< by name, then UUID
  Nanoseconds age{0};         ///< time since the writer's last sign of life
  bool is_stale = false;
  std::uint64_t power_uw = 0;            ///< all packages and dram
  std::uint64_t remainder_power_uw = 0;  ///< of it, what no VM got
};

/// Errors: EAGAIN when the host's slot could not be read for the moment.
Result<LedgerView> look(const LedgerReader& reader, Nanoseconds now);

/// The VM whose UUID or name is `wanted`.
/// Errors: ENOENT; EEXIST when several have the name (the message lists their UUIDs).
Result<VmRecord> find_vm(const LedgerView& view, std::string_view wanted);

}  // namespace vpowercap
