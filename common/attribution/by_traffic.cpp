// SPDX-License-Identifier: Apache-2.0
// From CPU time to bytes.
#include "common/attribution/by_traffic.hpp"

#include <algorithm>

#include "common/units/wide.hpp"

namespace vpowercap {

TrafficLoads by_traffic(const PackageLoad& package, std::vector<VmLoad> vms,
                        const std::vector<std::optional<std::uint64_t>>& vm_bytes,
                        std::uint64_t all_bytes) {
  Wide work = 0;
  Wide counted_work = 0;
  Wide counted_bytes = 0;
  for (std::size_t i = 0; i < vms.size(); ++i) {
    work += vms[i].work;
    if (!vm_bytes[i]) continue;
    counted_work += vms[i].work;
    counted_bytes += *vm_bytes[i];
  }
  const Wide other_work = std::max<Wide>(package.busy, work) - counted_work;
  const Wide other_bytes = all_bytes > counted_bytes ? all_bytes - counted_bytes : 0;
  for (std::size_t i = 0; i < vms.size(); ++i) {
    if (vm_bytes[i]) vms[i].work = *vm_bytes[i];
    else if (other_work > 0)
      vms[i].work = static_cast<std::uint64_t>(other_bytes * vms[i].work / other_work);
  }
  return {{all_bytes, package.milli_cpus, package.interval}, std::move(vms)};
}

}  // namespace vpowercap
