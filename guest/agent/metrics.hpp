// SPDX-License-Identifier: Apache-2.0
// A snapshot as Prometheus metric families.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "guest/agent/snapshot.hpp"

namespace vpowercap {

/// Families with at least one sample each, in base units (joules, seconds); label values are UTF-8.
std::vector<prometheus::MetricFamily> metric_families(const Snapshot& snapshot);

}  // namespace vpowercap
