// SPDX-License-Identifier: Apache-2.0
// A snapshot as a table for a terminal.
#pragma once

#include <string>

#include "guest/agent/snapshot.hpp"

namespace vpowercap {

/// Lines ready to print; names from outside carry no control characters. Every problem has a line.
std::string format_text(const Snapshot& snapshot);

}  // namespace vpowercap
