// SPDX-License-Identifier: Apache-2.0
// Sums over a VM's zones; the rounding and wrapping of published counters.
#include "common/ledger/records.hpp"

#include <algorithm>

namespace vpowercap {

std::uint64_t VmRecord::published_sum(EnergyDomain domain) const {
  std::uint64_t sum = 0;
  for (std::uint32_t s = 0; s < std::min(sockets, max_virtual_sockets); ++s)
    sum += zone(s, domain).published_uj;
  return sum;
}

std::uint64_t VmRecord::energy_sum(EnergyDomain domain) const {
  std::uint64_t sum = 0;
  for (std::uint32_t s = 0; s < std::min(sockets, max_virtual_sockets); ++s)
    sum += zone(s, domain).idle_uj + zone(s, domain).dynamic_uj;
  return sum;
}

std::uint64_t published_value(std::uint64_t energy_uj, std::uint64_t quantum_uj) {
  return std::max(quantum_uj, energy_uj / quantum_uj * quantum_uj);
}

std::uint64_t wrapped_value(std::uint64_t published_uj, std::uint64_t max_range_uj) {
  return max_range_uj == 0 ? published_uj : published_uj % max_range_uj;
}

}  // namespace vpowercap
