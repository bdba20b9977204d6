// SPDX-License-Identifier: Apache-2.0
// Serves a FUSE mount that somebody else made.
#pragma once

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "fuse-fs/session/filesystem.hpp"

namespace vpowercap {

/// Answers requests on `fuse_fd`, an open /dev/fuse that is mounted, with `threads` threads until it is
/// unmounted. Errors: those of libfuse's start and of reading the descriptor.
Result<void> serve(UniqueFd fuse_fd, const Filesystem& filesystem, unsigned threads);

}  // namespace vpowercap
