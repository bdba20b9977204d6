// SPDX-License-Identifier: Apache-2.0
// Memory traffic of the machine and of VMs between two ticks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/uuid.hpp"
#include "common/procs/cpus.hpp"
#include "common/procs/resctrl.hpp"
#include "host/sampler/zone_scope.hpp"

namespace vpowercap {

/// The threads of a VM.
struct VmThreads {
  std::set<std::int64_t> all;    ///< of QEMU and of helpers
  std::set<std::int64_t> vcpus;  ///< of them, vCPUs
};

/// Bytes moved between CPUs and memory in one tick, by the scope whose memory it was.
struct TrafficSample {
  using Bytes = std::map<ZoneScope, std::uint64_t>;
  Bytes all;
  std::map<Uuid, Bytes> of_vms;  ///< of those whose traffic is counted apart
};

/// Reads resctrl's groups, whoever made them (libvirt by <memorytune> and <cachetune>, or the
/// operator). A group is a VM's when all threads in it are, and a VM is counted apart when all its
/// vCPUs are in such groups. Local traffic counts on the CPUs' own memory, the rest evenly on the
/// others'. Groups and threads are looked at anew every 10 s and after a failure. Not thread-safe.
class TrafficMeter {
 public:
  using ThreadsOfVms = std::function<std::map<Uuid, VmThreads>()>;

  explicit TrafficMeter(std::string sysfs_root) : sysfs_root_(std::move(sysfs_root)) {}

  /// Traffic since the last call that had one; nullopt when it is not known: no resctrl, the first
  /// reading, or a group that cannot be read. `now` is any monotonic clock.
  std::optional<TrafficSample> measure(const CpuMap& cpus, const ThreadsOfVms& threads,
                                       Nanoseconds now);

  /// What could not be read since the last call, once per outage, each naming its file.
  std::vector<Error> take_problems();

 private:
  using Traffic = std::map<std::uint32_t, MemoryTraffic>;  ///< by L3 cache
  struct Group {
    ResctrlGroup files;
    std::optional<Uuid> vm;
    Traffic last;
  };
  void look(const CpuMap& cpus, const std::map<Uuid, VmThreads>& vms, Nanoseconds now);
  void find_owners(const std::map<Uuid, VmThreads>& vms);
  std::optional<std::vector<Traffic>> read_all();
  [[nodiscard]] std::optional<std::vector<Traffic>> since_last(const std::vector<Traffic>& now) const;
  [[nodiscard]] Traffic own_part(const std::vector<Traffic>& since, std::size_t index) const;
  [[nodiscard]] TrafficSample::Bytes by_memory(const Traffic& traffic, const CpuMap& cpus) const;
  void tell(const Error& error);

  std::string sysfs_root_;
  std::vector<Group> groups_;
  std::set<Uuid> counted_;                            ///< VMs all of whose vCPUs are in their groups
  std::map<std::uint32_t, std::uint32_t> cpu_of_l3_;  ///< one CPU of each cache
  std::optional<Nanoseconds> looked_;
  bool has_base_ = false;
  bool is_told_ = false;
  std::vector<Error> problems_;
};

}  // namespace vpowercap
