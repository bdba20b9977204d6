// SPDX-License-Identifier: Apache-2.0
// Adding up of ticks whose energy is to come.
#include <algorithm>

#include "host/sampler/account.hpp"

namespace vpowercap {
namespace {

void add_work(PackageWork& to, const PackageWork& from) {
  to.total_ns += from.total_ns;
  to.socket_ns.resize(std::max(to.socket_ns.size(), from.socket_ns.size()), 0);
  for (std::size_t i = 0; i < from.socket_ns.size(); ++i) to.socket_ns[i] += from.socket_ns[i];
}

}  // namespace

void Backlog::add(const Tick& tick, std::uint32_t package, Nanoseconds length) {
  length_ += length;
  if (const auto busy = tick.busy_ns.find(package); busy != tick.busy_ns.end())
    busy_ns_ += busy->second;
  for (const auto& vm : tick.vms) {
    auto known =
        std::lower_bound(vms_.begin(), vms_.end(), vm.uuid,
                         [](const VmTick& other, const Uuid& uuid) { return other.uuid < uuid; });
    if (known == vms_.end() || known->uuid != vm.uuid)
      known = vms_.insert(known, VmTick{.uuid = vm.uuid});
    known->alive += vm.alive;
    if (!vm.reserved.empty()) known->reserved = vm.reserved;
    if (const auto work = vm.work.find(package); work != vm.work.end())
      add_work(known->work[package], work->second);
  }
}

}  // namespace vpowercap
