// SPDX-License-Identifier: Apache-2.0
// The views as text for people.
#pragma once

#include <string>

#include "host/ctl/view.hpp"

namespace vpowercap {

/// One line on the host, one heading, one line per VM. `by_power`: the hungriest first, else by name.
std::string list_table(const LedgerView& view, bool by_power);

/// Everything on the host: its zones, idle power and gaps.
std::string host_page(const LedgerView& view);

/// Everything on one VM.
std::string vm_page(const LedgerView& view, const VmRecord& vm);

}  // namespace vpowercap
