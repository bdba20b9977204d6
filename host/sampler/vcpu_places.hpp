// SPDX-License-Identifier: Apache-2.0
// Where a VM's vCPUs have a right to run: what idle power is reserved by.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/model/vm.hpp"
#include "common/procs/cpus.hpp"
#include "common/procs/vm_process.hpp"
#include "host/sampler/zone_scope.hpp"

namespace vpowercap {

/// Follows the affinity of one process's vCPU threads. A vCPU counts 1000, spread over the packages,
/// and again over the dies of those that have several, by how many of their CPUs it may run on. Not
/// thread-safe.
class VcpuPlaces {
 public:
  /// `task_directory`: the process's directory of threads, "/proc/70/task".
  explicit VcpuPlaces(std::string task_directory) : task_directory_(std::move(task_directory)) {}

  /// By scope, for each virtual socket: thousandths of vCPUs. Empty when no thread is known as a vCPU.
  /// A thread's affinity is read at most every 10 s of `now`; one that cannot be read is where it was
  /// last seen, at first anywhere.
  std::map<ZoneScope, std::vector<std::uint64_t>> reserved(const std::vector<ThreadWork>& threads,
                                                           const VmTopology& topology,
                                                           const CpuMap& cpus, Nanoseconds now);
  /// What could not be read since the last call, each naming its file.
  std::vector<Error> take_problems() { return std::exchange(problems_, {}); }

 private:
  using Spread = std::map<ZoneScope, std::uint64_t>;  ///< thousandths
  struct Place {
    Spread spread;
    Nanoseconds read_at{0};
  };
  void look(std::int64_t tid, Place& place, const CpuMap& cpus, Nanoseconds now);

  std::string task_directory_;
  std::map<std::int64_t, Place> places_;  ///< by thread
  std::vector<Error> problems_;
};

}  // namespace vpowercap
