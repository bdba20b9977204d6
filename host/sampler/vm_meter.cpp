// SPDX-License-Identifier: Apache-2.0
// Differences of thread work between ticks.
#include "host/sampler/vm_meter.hpp"

#include <unistd.h>

#include <algorithm>

#include "common/units/apportion.hpp"

namespace vpowercap {
namespace {

/// Age of a process from its start time in clock ticks since boot (proc(5), field 22).
Nanoseconds age(std::uint64_t start_ticks, Nanoseconds since_boot) {
  const auto hertz = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return since_boot - Nanoseconds(static_cast<std::int64_t>(start_ticks * (1'000'000'000 / hertz)));
}

}  // namespace

Result<VmMeter> VmMeter::open(const std::string& proc_root, const VmDescription& vm) {
  auto process = VmProcess::open(proc_root, vm.pid, vm.pid_start_ticks);
  if (!process) return tl::unexpected(process.error());
  return VmMeter(vm, std::move(*process),
                 VcpuPlaces(proc_root + "/" + std::to_string(vm.pid) + "/task"));
}

void VmMeter::add(VmTick& tick, const ThreadWork& thread, std::uint64_t work_ns,
                  const CpuMap& cpus) const {
  auto& package = tick.work[cpus.package(thread.cpu)];
  package.total_ns += work_ns;
  package.socket_ns.resize(std::max(1u, vm_.topology.sockets), 0);
  if (thread.vcpu) package.socket_ns[vm_.topology.socket_of(*thread.vcpu)] += work_ns;
}

void VmMeter::start_from(VmTick& tick, const std::vector<ThreadWork>& threads, std::uint64_t sum_ns,
                         std::uint64_t mark_ns, const CpuMap& cpus) const {
  if (threads.empty() || sum_ns <= mark_ns) return;
  std::vector<std::uint64_t> weights;
  for (const auto& thread : threads) weights.push_back(thread.run_ns);
  const auto parts = apportion(sum_ns - mark_ns, weights);
  for (std::size_t i = 0; i < threads.size(); ++i) add(tick, threads[i], parts[i], cpus);
}

Result<VmTick> VmMeter::measure(Nanoseconds interval, Nanoseconds since_boot,
                                std::optional<std::uint64_t> mark_ns, const CpuMap& cpus) {
  const auto threads = process_.sample();
  if (!threads) return tl::unexpected(threads.error());
  const auto ended_ns = process_.ended_ns();
  VmTick tick{.uuid = vm_.uuid};
  const auto lived = age(vm_.pid_start_ticks, since_boot);
  tick.alive = std::clamp(lived, Nanoseconds(0), std::max(interval, Nanoseconds(0)));
  tick.work_mark_ns = ended_ns;
  for (const auto& thread : *threads) tick.work_mark_ns += thread.run_ns;
  if (is_first_) {
    const auto base = mark_ns ? *mark_ns : lived <= interval ? 0 : tick.work_mark_ns;
    start_from(tick, *threads, tick.work_mark_ns, base, cpus);
  } else {
    for (const auto& thread : *threads) {
      const auto last = last_ns_.find(thread.tid);
      const auto before = last == last_ns_.end() ? 0 : last->second;
      add(tick, thread, thread.run_ns > before ? thread.run_ns - before : 0, cpus);
    }
  }
  tick.reserved = places_.reserved(*threads, vm_.topology, cpus, since_boot);
  last_ns_.clear();
  for (const auto& thread : *threads) last_ns_[thread.tid] = thread.run_ns;
  is_first_ = false;
  return tick;
}

}  // namespace vpowercap
