// SPDX-License-Identifier: Apache-2.0
// A powercap energy counter that wraps.
#pragma once

#include <cstdint>

#include "common/base/result.hpp"
#include "common/units/microjoules.hpp"

namespace vpowercap {

/// One reading of a wrapping `energy_uj` counter. Its only arithmetic is the distance to an earlier
/// reading of the same zone. (Documentation/power/powercap: max_energy_range_uj.)
struct WrapCounter {
  std::uint64_t raw_uj = 0;

  /// Energy between `previous` and this reading, over at most one wrap at `max_range_uj`
  /// (the zone's max_energy_range_uj, > 0).
  /// Errors: ERANGE when a reading lies above the range, or the range is 0.
  [[nodiscard]] Result<Microjoules> delta(WrapCounter previous, std::uint64_t max_range_uj) const;
};

}  // namespace vpowercap
