// SPDX-License-Identifier: Apache-2.0
// Adding up of ticks whose energy is to come.
#include "host/sampler/backlog.hpp"

#include <algorithm>

namespace vpowercap {
std::optional<std::uint64_t> traffic_in(const VmTick& vm, ZoneScope scope) {
  if (!vm.traffic) return std::nullopt;
  const auto found = vm.traffic->find(scope);
  return found == vm.traffic->end() ? 0 : found->second;
}

PackageWork& PackageWork::operator+=(const PackageWork& other) {
  total_ns += other.total_ns;
  socket_ns.resize(std::max(socket_ns.size(), other.socket_ns.size()), 0);
  for (std::size_t i = 0; i < other.socket_ns.size(); ++i) socket_ns[i] += other.socket_ns[i];
  return *this;
}

void Backlog::add(const Tick& tick, ZoneScope scope, Nanoseconds length) {
  length_ += length;
  if (const auto busy = tick.busy_ns.find(scope); busy != tick.busy_ns.end()) busy_ns_ += busy->second;
  const auto traffic = tick.traffic.find(scope);
  if (traffic == tick.traffic.end()) traffic_.reset();
  if (traffic_) *traffic_ += traffic->second;
  for (const auto& vm : tick.vms) {
    auto known =
        std::lower_bound(vms_.begin(), vms_.end(), vm.uuid,
                         [](const VmTick& other, const Uuid& uuid) { return other.uuid < uuid; });
    if (known == vms_.end() || known->uuid != vm.uuid)
      known =
          vms_.insert(known, VmTick{.uuid = vm.uuid, .traffic = std::map<ZoneScope, std::uint64_t>()});
    if (!vm.traffic) known->traffic.reset();
    if (known->traffic) (*known->traffic)[scope] += traffic_in(vm, scope).value_or(0);
    known->alive += vm.alive;
    if (!vm.reserved.empty()) known->reserved = vm.reserved;
    if (const auto work = vm.work.find(scope); work != vm.work.end())
      known->work[scope] += work->second;
  }
}

}  // namespace vpowercap
