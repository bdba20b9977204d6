// SPDX-License-Identifier: Apache-2.0
// What has to be done so that each VM's directory leads to its tree: decided from what is seen alone.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "common/share/mount_table.hpp"
#include "common/share/share.hpp"

namespace vpowercap {

/// The type of our FUSE mounts as mountinfo shows it.
inline constexpr auto fuse_type = "fuse.vpowercap";

/// Where a VM's tree lies on the FUSE mount, and where it is bound so that it appears in the share.
std::string tree_path(const RunPaths& paths, const Uuid& uuid);
std::string bind_path(const RunPaths& paths, const Uuid& uuid);

struct Plan {
  std::vector<Uuid> make;           ///< VMs of the ledger without a directory
  std::vector<std::string> detach;  ///< mount points of trees that are dead or not where they belong
  std::vector<Uuid> bind;           ///< VMs whose tree has to be bound
};

/// `device`: that of the FUSE mount now, "" while there is none. `known`: the VMs of the ledger.
/// `directories`: the VMs with a directory. Paths without symbolic links. Pure: asks no file system, so
/// a dead or hung mount cannot hold it up.
Plan make_plan(const MountTable& table, const RunPaths& paths, const std::string& device,
               std::span<const Uuid> known, std::span<const Uuid> directories);

/// All mounts of ours below the run directory, in the order in which to unmount them.
std::vector<std::string> our_fuse_mounts(const MountTable& table, const RunPaths& paths);

}  // namespace vpowercap
