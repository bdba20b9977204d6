// SPDX-License-Identifier: Apache-2.0
// The views as JSON text, for scripts.
#pragma once

#include <string>

#include "host/ctl/view.hpp"

namespace vpowercap {

/// Host and all VMs, one object. Energies in joules, power in watts, times in seconds. "method" is rapl
/// or model; "estimate" is true where it is a model. Invalid UTF-8 in names is replaced.
std::string to_json(const LedgerView& view);

/// The host alone, with all that is known of its zones: one object.
std::string host_json(const LedgerView& view);

/// One VM with all its zones.
std::string to_json(const LedgerView& view, const VmRecord& vm);

}  // namespace vpowercap
