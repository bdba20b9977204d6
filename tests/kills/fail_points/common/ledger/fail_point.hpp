// SPDX-License-Identifier: Apache-2.0
// In place of the ledger's own: each step of its writer is one at which the process can die.
#pragma once

#include <cstdint>

namespace vpowercap {

/// Kills this process with SIGKILL when it is the step that was chosen.
void fail_point();

namespace testing {

/// The process dies at the `step`th step from now on, counted from 1; 0: it does not.
void die_at_step(std::uint64_t step);
/// Steps since then.
std::uint64_t steps_done();

}  // namespace testing
}  // namespace vpowercap
