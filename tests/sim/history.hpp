// SPDX-License-Identifier: Apache-2.0
// What a host did before a scenario, as far as idle power was learned from it.
#pragma once

#include "host/sampler/idle_learner.hpp"
#include "tests/sim/host.hpp"

namespace vpowercap::sim {

/// without_vms: a minute with the host's own daemons alone, as after boot. never_idle: 24 minutes in
/// which every CPU wants from 20 % to 80 % of its time and back to 20 %.
enum class History { without_vms, never_idle };

/// What our system has learned, by its package weights.
struct Learned {
  IdleLearner::Memory by_time;
  IdleLearner::Memory by_smt;
};

/// Simulates such a history; hosts with the same packages and cores share one. Not thread-safe.
const Learned& live_through(const HostShape& shape, History history);

}  // namespace vpowercap::sim
