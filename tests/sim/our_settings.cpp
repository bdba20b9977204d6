// SPDX-License-Identifier: Apache-2.0
// Settings of the compared system and its variants.
#include "tests/sim/our_settings.hpp"

#include "tests/sim/history.hpp"

namespace vpowercap::sim {
namespace {

/// The operator's figure for idle power is 3 % above the truth.
OurSettings configured(std::string name, const HostShape& shape, PackageWeights weights) {
  return {.name = std::move(name),
          .idle_w = shape.power.static_w * 1.03,
          .idle_dram_w = shape.power.dram_static_w * 1.03,
          .weights = weights};
}

}  // namespace

std::vector<OurSettings> our_settings(const HostShape& shape) {
  const auto empty = live_through(shape, History::without_vms);
  const auto loaded = live_through(shape, History::never_idle);
  return {
      configured("vpowercap", shape, PackageWeights::time),
      configured("vpowercap (smt)", shape, PackageWeights::smt),
      {.name = "learned without VMs", .learned = empty.by_time},
      {.name = "learned under load", .learned = loaded.by_time},
      {.name = "learned under load (smt)", .weights = PackageWeights::smt, .learned = loaded.by_smt},
      {.name = "not known"}};
}

}  // namespace vpowercap::sim
