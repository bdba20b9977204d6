// SPDX-License-Identifier: Apache-2.0
// The choice between configured and learned idle power.
#include "host/sampler/idle_book.hpp"

#include <algorithm>
#include <string>

namespace vpowercap {
namespace {

/// What a zone is remembered by: another machine's or another driver's zone has another name.
std::string memory_name(const HostZoneRecord& zone) {
  return std::string(zone.id.view()) + " " + std::string(zone.name.view());
}

}  // namespace

void IdleBook::choose(HostZoneRecord& zone, const IdlePower& configured, std::uint32_t like) const {
  zone.idle_power_uw = zone.idle_samples = 0;
  zone.idle_method = IdleMethod::none;
  zone.idle_confidence = IdleConfidence::none;
  const auto domain = static_cast<std::size_t>(zone.domain);
  if (domain >= configured.size()) return;
  if (configured[domain]) {
    zone.idle_method = IdleMethod::configured;
    zone.idle_power_uw = *configured[domain] / std::max(1u, like);
    return;
  }
  const auto estimate = learner_.estimate(memory_name(zone));
  zone.idle_samples = estimate.samples;
  zone.idle_confidence = estimate.confidence;
  if (estimate.confidence == IdleConfidence::none) return;
  zone.idle_method = IdleMethod::learned;
  zone.idle_power_uw = estimate.power_uw;
}

void IdleBook::learn(const HostZoneRecord& zone, Microjoules delta, Nanoseconds interval,
                     const PackageUse& use) {
  if (zone.idle_method == IdleMethod::configured) return;
  learner_.observe(memory_name(zone), mean_power_uw(delta, interval), use.busy_ns, use.cpu_ns,
                   interval);
}

}  // namespace vpowercap
