// SPDX-License-Identifier: Apache-2.0
// Which idle power a zone's energy is divided with: configured, learned or none.
#pragma once

#include <array>
#include <optional>

#include "common/ledger/records.hpp"
#include "common/units/microjoules.hpp"
#include "host/sampler/idle_learner.hpp"

namespace vpowercap {

/// Configured power of an idle package in µW, per domain; absent: to be learned.
using IdlePower = std::array<std::optional<std::uint64_t>, virtual_domains.size()>;

/// What the CPUs of a zone's package did in a tick.
struct PackageUse {
  std::uint64_t busy_ns = 0;  ///< CPU time used
  std::uint64_t cpu_ns = 0;   ///< CPU time there was
};

/// Keeps the learner and says in each zone's record what it was divided with. A tick is divided with
/// what was known before it. Pure; not thread-safe.
class IdleBook {
 public:
  /// Notes in `zone` the idle power to use now and where it comes from. `like`: zones that the package
  /// has in this domain (its dies), over which a configured value is spread.
  void choose(HostZoneRecord& zone, const IdlePower& configured, std::uint32_t like) const;

  /// Learns from `delta` over `interval` in `zone`.
  void learn(const HostZoneRecord& zone, Microjoules delta, Nanoseconds interval,
             const PackageUse& use);

  [[nodiscard]] IdleLearner::Memory memory() const { return learner_.memory(); }
  void restore(const IdleLearner::Memory& memory) { learner_.restore(memory); }

 private:
  IdleLearner learner_;
};

}  // namespace vpowercap
