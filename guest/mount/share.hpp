// SPDX-License-Identifier: Apache-2.0
// Mounts and unmounts the host's share in a guest.
#pragma once

#include <string>

#include "common/base/result.hpp"
#include "guest/mount/modules.hpp"

namespace vpowercap {

/// Which share goes where.
struct GuestShare {
  std::string tag = "vpowercap";
  std::string target = "/sys/class/powercap";
};

/// Mounts the share read-only, loading modules where the kernel lacks them. Nothing to do when it is
/// mounted already; a mount whose device was detached is replaced. A target that sysfs lacks is made,
/// see add_directory(). Returns a sentence on what was done or found. With `force` it also mounts over
/// a tree that has zones or over another mount. Errors are sentences for a person: target missing, a
/// real tree in the way, no such tag, no virtiofs in the kernel, no privilege.
Result<std::string> mount_share(const GuestShare& share, bool force, const LoadModule& load = modprobe);

/// Unmounts the share and what mount_share() made for it; nothing to do when nothing is mounted. With
/// `force` also while files are open there (they stay readable until closed). Returns and fails as
/// mount_share().
Result<std::string> unmount_share(const GuestShare& share, bool force);

/// Why mount(2) of a virtiofs failed, and what to do.
std::string explain_mount_error(int code, const GuestShare& share);

}  // namespace vpowercap
