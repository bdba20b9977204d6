// SPDX-License-Identifier: Apache-2.0
// Distance between two readings of a wrapping counter.
#include "common/units/wrap_counter.hpp"

#include <string>

namespace vpowercap {

Result<Microjoules> WrapCounter::delta(WrapCounter previous, std::uint64_t max_range_uj) const {
  if (max_range_uj == 0 || raw_uj > max_range_uj || previous.raw_uj > max_range_uj)
    return fail(ERANGE, "counter " + std::to_string(raw_uj) + " µJ lies above max_energy_range_uj " +
                            std::to_string(max_range_uj));
  if (raw_uj >= previous.raw_uj) return Microjoules{raw_uj - previous.raw_uj};
  return Microjoules{max_range_uj - previous.raw_uj + raw_uj};
}

}  // namespace vpowercap
