// SPDX-License-Identifier: Apache-2.0
// The sub-commands of vpowercap.
#pragma once

#include "common/options/options.hpp"

namespace vpowercap {

/// The option table of vpowercap.
const ProgramSpec& command_spec();

/// The body of main(): 0 success, 1 failure, 2 wrong usage.
int run_command(int argc, const char* const* argv);

}  // namespace vpowercap
