// SPDX-License-Identifier: Apache-2.0
// Where energy comes from: one reading of every zone, with its time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/model/energy_domain.hpp"

namespace vpowercap {

/// One reading of one zone.
struct ZoneReading {
  std::string id;    ///< "intel-rapl:0:1"
  std::string name;  ///< "dram"
  EnergyDomain domain = EnergyDomain::package;
  std::uint32_t package = 0;
  std::uint64_t max_energy_range_uj = 0;
  std::optional<std::uint64_t> raw_uj;  ///< the wrapping counter; absent: unreadable, a gap
  Nanoseconds taken{0};                 ///< CLOCK_MONOTONIC, middle of the read
  std::uint32_t die = 0;                ///< M of package-N-die-M, also for the die's sub-zones
  /// The zone draws less, averaged over a second and more: tells wraps from resets. 0: unknown.
  std::uint64_t power_bound_uw = 0;
  /// Shown as the host's, never divided over VMs: psys, and AMD's core, which is one core's counter.
  bool is_host_only = false;
  /// It counts the die `die` alone; else its whole package.
  bool is_one_die = false;
};

/// A source of energy readings. Not thread-safe.
class EnergySource {
 public:
  virtual ~EnergySource() = default;
  [[nodiscard]] virtual Method method() const = 0;
  /// Reads every known zone. A zone that cannot be read now is there without raw_uj; one that is gone
  /// for good is left out at a later call; new ones are found within some ticks.
  [[nodiscard]] virtual std::vector<ZoneReading> sample() = 0;
  /// What went wrong since the last call, each naming its file: for the log.
  [[nodiscard]] virtual std::vector<Error> take_problems() = 0;
};

}  // namespace vpowercap
