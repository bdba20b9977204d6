// SPDX-License-Identifier: Apache-2.0
// What a daemon that runs cannot change.
#pragma once

#include <string>

#include "host/daemon/config.hpp"

namespace vpowercap {

/// The options that differ and take effect at a restart alone, as "run-dir, tick"; empty: none.
std::string fixed_changes(const DaemonConfig& running, const DaemonConfig& fresh);

}  // namespace vpowercap
