// SPDX-License-Identifier: Apache-2.0
// Memory traffic of groups of threads, as the kernel's resctrl file system counts it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace vpowercap {

/// Bytes between one L3 cache and memory since the group was made.
struct MemoryTraffic {
  std::uint64_t total = 0;  ///< mbm_total_bytes
  std::uint64_t local = 0;  ///< mbm_local_bytes: of it, with memory of the cache's own NUMA node
};

/// A group of resctrl (Documentation/arch/x86/resctrl.rst), read through kept descriptors. A control
/// group counts its own threads and those of the monitoring groups below it; a monitoring group its
/// own only. Not thread-safe.
class ResctrlGroup {
 public:
  /// The group in `directory`. Errors: ENOENT when the processor or the kernel counts no traffic
  /// (mon_data/mon_L3_*/mbm_total_bytes); EPROTO naming the entry.
  static Result<ResctrlGroup> open(std::string directory, std::string parent);

  [[nodiscard]] const std::string& directory() const { return directory_; }
  /// Directory of the control group that a monitoring group is in; empty for a control group.
  [[nodiscard]] const std::string& parent() const { return parent_; }

  /// Traffic by L3 cache id. Where the processor does not count local traffic all is local.
  /// Errors: ENODEV when the group is gone; ENODATA when the kernel has no figure now ("Unavailable",
  /// "Unassigned", "Error"); EPROTO. Each names the file.
  [[nodiscard]] Result<std::map<std::uint32_t, MemoryTraffic>> traffic() const;
  /// Threads in the group, those of its monitoring groups not among them. Errors: as traffic().
  [[nodiscard]] Result<std::vector<std::int64_t>> threads() const;

 private:
  struct Cache {
    std::uint32_t id;
    std::string directory;
    UniqueFd total;
    UniqueFd local;  ///< empty: not counted
  };
  ResctrlGroup(std::string directory, std::string parent)
      : directory_(std::move(directory)), parent_(std::move(parent)) {}

  std::string directory_;
  std::string parent_;
  std::vector<Cache> caches_;
};

/// The thread numbers of a `tasks` file, which messages call `path`. Errors: EPROTO.
Result<std::vector<std::int64_t>> parse_tasks(std::string_view text, const std::string& path);

/// All groups below `sysfs_root`/fs/resctrl, each control group before those within it.
/// Errors: ENOENT when resctrl is not mounted or counts no traffic; as ResctrlGroup::open.
Result<std::vector<ResctrlGroup>> open_resctrl(const std::string& sysfs_root);

/// One CPU of each L3 cache by its id, from devices/system/cpu/cpu*/cache/index*/{level,id} below
/// `sysfs_root`, for the CPUs given.
std::map<std::uint32_t, std::uint32_t> read_l3_caches(const std::string& sysfs_root,
                                                      const std::vector<std::uint32_t>& cpus);

}  // namespace vpowercap
