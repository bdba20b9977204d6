// SPDX-License-Identifier: Apache-2.0
// The live view of all VMs.
#pragma once

#include <string>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"

namespace vpowercap {

/// Shows the hungriest VMs full screen until q is pressed, a new look every `interval`.
/// Errors: those of opening the ledger; ENOTTY when standard output is no terminal.
Result<void> run_top(const std::string& ledger_path, Nanoseconds interval);

}  // namespace vpowercap
