// SPDX-License-Identifier: Apache-2.0
// Handing a VM's counters over to another host.
#pragma once

#include <cstdio>
#include <string>

#include "common/base/result.hpp"
#include "common/ledger/records.hpp"

namespace vpowercap {

/// What the VM's guest was shown, with what it is still owed, as JSON for import_state(): version,
/// uuid, name, and for each counter socket, domain and microjoules before wrapping.
std::string state_json(const VmRecord& vm);

/// Reads such JSON from `input` and asks the daemon at the socket `control` to let the VM `uuid` go on
/// from it; returns the daemon's answer in words. Errors: EPROTO for anything else than the state of
/// that VM; those of control_request().
Result<std::string> import_state(const std::string& control, const std::string& uuid, std::FILE* input);

}  // namespace vpowercap
