// SPDX-License-Identifier: Apache-2.0
// The ways in which our system is set up in every scenario.
#pragma once

#include <vector>

#include "tests/sim/host.hpp"
#include "tests/sim/system.hpp"

namespace vpowercap::sim {

/// First the one that is compared with other systems, with the default weights; then its variants.
std::vector<OurSettings> our_settings(const HostShape& shape);

}  // namespace vpowercap::sim
