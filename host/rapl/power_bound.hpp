// SPDX-License-Identifier: Apache-2.0
// How much a zone can draw at most: what tells a wrap from a reset and one wrap from two.
#pragma once

#include <cstdint>

#include "common/model/energy_domain.hpp"

namespace vpowercap {

/// An upper bound, in µW, of a zone's power averaged over a second and more.
///
/// `max_power_uw` is what the zone is built for (constraint_0_max_power_uw), for core and uncore their
/// package's; 0 when unknown. Processors exceed it for seconds, small ones most of all (6 W parts turbo
/// to 25 W), so the bound is four times that, at least 250 W and at most 1500 W. Without it, as on AMD:
/// 1000 W; there the counters of 65.5 kJ then stay unambiguous for 65 s, longer than the longest tick.
/// dram: 500 W. psys, a whole machine: 5000 W.
std::uint64_t power_bound(EnergyDomain domain, std::uint64_t max_power_uw);

}  // namespace vpowercap
