// SPDX-License-Identifier: Apache-2.0
// A snapshot as one JSON object.
#pragma once

#include <string>

#include "guest/agent/snapshot.hpp"

namespace vpowercap {

/// One line of JSON without a line break, always valid UTF-8. Joules and watts are numbers with
/// microjoule and microwatt resolution; what is not known is null; "host" and "vms" exist only where
/// there is a ledger, and are null and empty when it is stale.
std::string format_json(const Snapshot& snapshot, const std::string& powercap_root);

}  // namespace vpowercap
