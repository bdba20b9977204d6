// SPDX-License-Identifier: Apache-2.0
// Whether a VM lives, asked of the processes themselves.
#pragma once

#include <set>
#include <span>
#include <string>

#include "common/base/uuid.hpp"

namespace vpowercap {

/// Those of `vms` whose UUID is in the arguments of a process, as it is in QEMU's and virtiofsd's:
/// their shares are in use, whatever the ledger knows. All of them where processes cannot be seen.
std::set<Uuid> named_by_processes(const std::string& proc_root, std::span<const Uuid> vms);

}  // namespace vpowercap
