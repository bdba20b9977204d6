// SPDX-License-Identifier: Apache-2.0
// The kernel's files as the other systems read them: clock ticks and raw counters.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vpowercap::sim {

/// CPU time of the whole host in ticks of 10 ms, over all CPUs.
struct HostTicks {
  std::uint64_t busy = 0;
  std::uint64_t all = 0;
};

/// A thread or process in ticks of 10 ms.
struct TaskTicks {
  std::string comm;
  std::uint64_t ticks = 0;  ///< utime + stime
  std::uint32_t cpu = 0;    ///< last ran here
};

HostTicks read_host_ticks(const std::string& proc_root);
/// Ticks by PID of every process.
std::map<std::int64_t, std::uint64_t> read_process_ticks(const std::string& proc_root);
/// By TID, empty when the process is gone.
std::map<std::int64_t, TaskTicks> read_threads(const std::string& proc_root, std::int64_t pid);
/// energy_uj of intel-rapl:N by N.
std::vector<std::uint64_t> read_packages(const std::string& sysfs_root);
std::uint64_t read_range(const std::string& sysfs_root);
/// Package by CPU.
std::vector<std::uint32_t> read_package_of_cpu(const std::string& sysfs_root);

}  // namespace vpowercap::sim
