// SPDX-License-Identifier: Apache-2.0
// The FUSE mount on RUN/fs: made, and taken away whatever state it is in.
#pragma once

#include <string>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/share/share.hpp"

namespace vpowercap {

/// A mount and the descriptor that serves it. As long as a duplicate of the descriptor is open
/// anywhere, the mount lives on without its server, and requests wait.
struct FuseMount {
  UniqueFd fd;
  std::string device;  ///< "major:minor" in mountinfo
};

/// Mounts on RUN/fs, read-only; readers' rights are checked by the kernel. Needs CAP_SYS_ADMIN.
/// Errors name the step and what to do.
Result<FuseMount> make_fuse_mount(const RunPaths& paths);

/// Unmounts RUN/fs and each tree bound from it, dead ones of a predecessor included. Lazily: readers
/// that are inside keep what they have, nobody is waited for and no server is asked.
Result<void> unmount_all(const RunPaths& paths);

}  // namespace vpowercap
