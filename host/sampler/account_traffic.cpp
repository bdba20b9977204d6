// SPDX-License-Identifier: Apache-2.0
// The part of the books that knows memory traffic.
#include "common/attribution/by_traffic.hpp"
#include "host/sampler/account.hpp"

namespace vpowercap {

std::vector<DynamicBasis> Account::use_traffic(const Loads& loads, std::size_t index,
                                               PackageLoad& package, std::vector<VmLoad>& vms) const {
  std::vector<DynamicBasis> basis(vms.size(), DynamicBasis::work);
  if (host_.zones[index].domain != EnergyDomain::dram || !loads.traffic) return basis;
  std::vector<std::optional<std::uint64_t>> bytes;
  bool is_any_counted = false;
  for (std::size_t i = 0; i < vms.size(); ++i) {
    bytes.push_back(traffic_in(loads.vms[i], states_[index].scope));
    if (!bytes.back()) continue;
    basis[i] = DynamicBasis::bandwidth;
    is_any_counted = true;
  }
  if (!is_any_counted) return basis;
  auto in_bytes = by_traffic(package, std::move(vms), bytes, *loads.traffic);
  package = in_bytes.package;
  vms = std::move(in_bytes.vms);
  return basis;
}

}  // namespace vpowercap
