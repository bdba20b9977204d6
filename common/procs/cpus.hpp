// SPDX-License-Identifier: Apache-2.0
// The machine's CPUs: which package each is in and how long it has been busy.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"

namespace vpowercap {

/// Online CPUs and their packages.
struct CpuMap {
  std::map<std::uint32_t, std::uint32_t> package_of;  ///< CPU number to physical_package_id
  /// The other hardware threads of a CPU's core; a CPU without any is not in it.
  std::map<std::uint32_t, std::vector<std::uint32_t>> siblings;
  /// CPU number to die_id, of the CPUs of packages that have several dies.
  std::map<std::uint32_t, std::uint32_t> die_of;

  /// Package of a CPU; 0 for one unknown.
  [[nodiscard]] std::uint32_t package(std::uint32_t cpu) const;
  [[nodiscard]] std::uint32_t cpus_in(std::uint32_t package) const;
};

/// Reads physical_package_id, die_id and thread_siblings_list of devices/system/cpu/cpu*/topology below
/// `sysfs_root`. A negative or absent id counts as 0 (kernels before 5.2 have no die_id); without a
/// list a CPU has no siblings. CPUs whose `online` file says 0 are left out. Errors: ENOENT when there
/// are no CPUs to be seen; EPROTO naming a malformed file.
Result<CpuMap> read_cpu_map(const std::string& sysfs_root);

/// Busy time of each CPU since boot in ns: user + nice + system + irq + softirq + steal of `stat` below
/// `proc_root` (guest time is within user). Resolution is one clock tick (10 ms).
/// Errors: EPROTO naming the file.
Result<std::map<std::uint32_t, std::uint64_t>> read_cpu_busy_ns(const std::string& proc_root);
/// The same of the text of such a file, which messages call `path`.
Result<std::map<std::uint32_t, std::uint64_t>> parse_cpu_busy_ns(std::string_view text,
                                                                 const std::string& path);

/// The CPUs of a kernel list such as "0-3,8", at most 65536. nullopt: not one.
std::optional<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text);

}  // namespace vpowercap
