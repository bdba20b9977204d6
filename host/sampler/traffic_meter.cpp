// SPDX-License-Identifier: Apache-2.0
// Differences of memory traffic between ticks.
#include "host/sampler/traffic_meter.hpp"

#include <algorithm>
#include <utility>

#include "common/units/apportion.hpp"

namespace vpowercap {
namespace {

constexpr auto look_every = std::chrono::seconds(10);

bool has_same_groups(const std::vector<ResctrlGroup>& now, const auto& before) {
  return std::equal(now.begin(), now.end(), before.begin(), before.end(),
                    [](const ResctrlGroup& group, const auto& old) {
                      return group.directory() == old.files.directory();
                    });
}

}  // namespace

void TrafficMeter::tell(const Error& error) {
  if (!std::exchange(is_told_, true)) problems_.push_back(error);
}

std::vector<Error> TrafficMeter::take_problems() { return std::exchange(problems_, {}); }

void TrafficMeter::look(const CpuMap& cpus, const std::map<Uuid, VmThreads>& vms, Nanoseconds now) {
  looked_ = now;
  auto found = open_resctrl(sysfs_root_);
  if (!found) {
    groups_.clear();
    if (found.error().code != ENOENT) tell(found.error());
    return;
  }
  has_base_ = has_base_ && has_same_groups(*found, groups_);
  std::vector<Group> groups;
  for (std::size_t i = 0; i < found->size(); ++i)
    groups.push_back({std::move((*found)[i]), {}, has_base_ ? std::move(groups_[i].last) : Traffic()});
  groups_ = std::move(groups);
  std::vector<std::uint32_t> numbers;
  for (const auto& [cpu, package] : cpus.package_of) numbers.push_back(cpu);
  cpu_of_l3_ = read_l3_caches(sysfs_root_, numbers);
  find_owners(vms);
}

void TrafficMeter::find_owners(const std::map<Uuid, VmThreads>& vms) {
  std::map<std::int64_t, Uuid> owner_of;
  for (const auto& [uuid, threads] : vms)
    for (const auto tid : threads.all) owner_of[tid] = uuid;
  std::set<std::int64_t> grouped;
  for (auto& group : groups_) {
    const auto tids = group.files.threads();
    const bool is_gone = !tids && (tids.error().code == ENODEV || tids.error().code == ENOENT);
    if (!tids && !is_gone) tell(tids.error());
    if (!tids || tids->empty() || !owner_of.contains(tids->front())) continue;
    const auto& uuid = owner_of.at(tids->front());
    const auto is_its = [&](std::int64_t tid) {
      const auto owner = owner_of.find(tid);
      return owner != owner_of.end() && owner->second == uuid;
    };
    if (!std::all_of(tids->begin(), tids->end(), is_its)) continue;
    group.vm = uuid;
    grouped.insert(tids->begin(), tids->end());
  }
  counted_.clear();
  for (const auto& [uuid, threads] : vms)
    if (!threads.vcpus.empty() &&
        std::includes(grouped.begin(), grouped.end(), threads.vcpus.begin(), threads.vcpus.end()))
      counted_.insert(uuid);
}

std::optional<std::vector<TrafficMeter::Traffic>> TrafficMeter::read_all() {
  std::vector<Traffic> all;
  for (const auto& group : groups_) {
    auto traffic = group.files.traffic();
    if (!traffic) {
      tell(traffic.error());
      // A group that is gone or broken is looked for again; a figure that is late comes by itself.
      if (traffic.error().code != ENODATA) looked_.reset();
      return std::nullopt;
    }
    for (const auto& [cache, bytes] : *traffic) {
      if (cpu_of_l3_.contains(cache)) continue;
      tell({ENOENT, group.files.directory() + "/mon_data: no CPU is known to have the L3 cache " +
                        std::to_string(cache)});
      return std::nullopt;
    }
    all.push_back(std::move(*traffic));
  }
  is_told_ = false;
  return all;
}

/// Bytes of each group since its last reading; nullopt when one went back.
std::optional<std::vector<TrafficMeter::Traffic>> TrafficMeter::since_last(
    const std::vector<Traffic>& now) const {
  std::vector<Traffic> since(now.size());
  for (std::size_t i = 0; i < now.size(); ++i)
    for (const auto& [cache, bytes] : now[i]) {
      const auto last = groups_[i].last.find(cache);
      if (last == groups_[i].last.end() || bytes.total < last->second.total ||
          bytes.local < last->second.local)
        return std::nullopt;
      since[i][cache] = {bytes.total - last->second.total, bytes.local - last->second.local};
    }
  return since;
}

TrafficSample::Bytes TrafficMeter::by_memory(const Traffic& traffic, const CpuMap& cpus) const {
  std::map<ZoneScope, std::uint64_t> memories;  // dies, and packages without
  for (const auto& [cache, cpu] : cpu_of_l3_) memories[scopes_of(cpus, cpu).back()] = 0;
  for (const auto& [cache, bytes] : traffic) {
    const auto own = scopes_of(cpus, cpu_of_l3_.at(cache)).back();
    memories[own] += std::min(bytes.local, bytes.total);
    std::vector<std::uint64_t> others;
    for (const auto& [scope, sum] : memories)
      others.push_back(scope == own && memories.size() > 1 ? 0 : 1);
    const auto parts = apportion(bytes.total - std::min(bytes.local, bytes.total), others);
    std::size_t at = 0;
    for (auto& [scope, sum] : memories) sum += parts[at++];
  }
  TrafficSample::Bytes sums;
  for (const auto& [scope, sum] : memories) {
    if (!scope.is_package()) sums[scope.package] += sum;
    sums[scope] += sum;
  }
  return sums;
}

std::optional<TrafficSample> TrafficMeter::measure(const CpuMap& cpus, const ThreadsOfVms& threads,
                                                   Nanoseconds now) {
  if (!looked_ || now - *looked_ >= look_every) look(cpus, threads(), now);
  if (groups_.empty()) return std::nullopt;
  auto values = read_all();
  if (!values) return std::nullopt;
  const auto since = std::exchange(has_base_, true) ? since_last(*values) : std::nullopt;
  for (std::size_t i = 0; i < groups_.size(); ++i) groups_[i].last = std::move((*values)[i]);
  if (!since) return std::nullopt;
  TrafficSample sample;
  const auto add = [](TrafficSample::Bytes& to, const TrafficSample::Bytes& from) {
    for (const auto& [scope, bytes] : from) to[scope] += bytes;
  };
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (groups_[i].files.parent().empty()) add(sample.all, by_memory((*since)[i], cpus));
    const auto& vm = groups_[i].vm;
    if (vm && counted_.contains(*vm)) add(sample.of_vms[*vm], by_memory(own_part(*since, i), cpus));
  }
  return sample;
}

/// What the threads of group `index` alone moved: a control group's figures hold those within it.
TrafficMeter::Traffic TrafficMeter::own_part(const std::vector<Traffic>& since,
                                             std::size_t index) const {
  Traffic own = since[index];
  const auto less = [](std::uint64_t& from, std::uint64_t part) { from -= std::min(from, part); };
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (groups_[i].files.parent() != groups_[index].files.directory()) continue;
    for (auto& [cache, bytes] : own) {
      const auto within = since[i].find(cache);
      if (within == since[i].end()) continue;
      less(bytes.total, within->second.total);
      less(bytes.local, within->second.local);
    }
  }
  return own;
}

}  // namespace vpowercap
