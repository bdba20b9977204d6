// SPDX-License-Identifier: Apache-2.0
// The FUSE mount on RUN/fs: made, and taken away whatever state it is in.
#pragma once

#include <string>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/share/share.hpp"

namespace vpowercap {

/// A mount, the descriptor that serves it and the journal of who does. As long as a duplicate of the
/// descriptor is open anywhere, the mount lives on without its server, and requests wait.
struct FuseMount {
  UniqueFd fd;
  UniqueFd journal;
  std::string device;  ///< "major:minor" in mountinfo
};

/// Mounts on RUN/fs, read-only; readers' rights are checked by the kernel. Needs CAP_SYS_ADMIN.
/// `threads` of a server, 1 to 64, have room in the journal. Errors name the step and what to do.
Result<FuseMount> make_fuse_mount(const RunPaths& paths, unsigned threads);

/// Unmounts RUN/fs and each tree bound from it, dead ones of a predecessor included. Lazily: readers
/// that are inside keep what they have, nobody is waited for and no server is asked.
Result<void> unmount_all(const RunPaths& paths);

/// Whether the kernel has ended the connection, for good: somebody wrote to its `abort` in fusectl, or
/// a time limit passed. The mount is still in the table, and no server can do anything for it.
bool is_aborted(const FuseMount& mount);

}  // namespace vpowercap
