// SPDX-License-Identifier: Apache-2.0
// Reading and searching the ledger for display.
#include "host/ctl/view.hpp"

#include <algorithm>

#include "common/base/utf8.hpp"

namespace vpowercap {

Result<LedgerView> look(const LedgerReader& reader, Nanoseconds now) {
  const auto host = reader.host();
  if (!host) return fail(EAGAIN, "the ledger is being written too fast to be read, try again");
  LedgerView view{.host = *host, .vms = reader.vms()};
  view.age = std::max(Nanoseconds(0), now - reader.heartbeat());
  view.is_stale = reader.is_stale(now);
  for (std::uint32_t i = 0; i < view.host.zone_count; ++i) {
    const auto& zone = view.host.zones[i];
    if (zone.domain != EnergyDomain::package && zone.domain != EnergyDomain::dram) continue;
    view.power_uw += zone.power_uw;
    view.remainder_power_uw += zone.remainder_power_uw;
  }
  std::sort(view.vms.begin(), view.vms.end(), [](const VmRecord& a, const VmRecord& b) {
    return a.name.view() != b.name.view() ? a.name.view() < b.name.view() : a.uuid < b.uuid;
  });
  return view;
}

Result<VmRecord> find_vm(const LedgerView& view, std::string_view wanted) {
  const auto uuid = Uuid::parse(wanted);
  std::vector<VmRecord> found;
  for (const auto& vm : view.vms)
    if ((uuid && vm.uuid == *uuid) || vm.name.view() == wanted) found.push_back(vm);
  if (found.empty())
    return fail(ENOENT, "no VM \"" + printable(wanted) + "\" in the ledger (see vpowercap list)");
  if (found.size() > 1) {
    std::string uuids;
    for (const auto& vm : found) uuids += " " + vm.uuid.to_string();
    return fail(EEXIST, "several VMs are named \"" + printable(wanted) + "\", use a UUID:" + uuids);
  }
  return found.front();
}

}  // namespace vpowercap
