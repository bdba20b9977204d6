// SPDX-License-Identifier: Apache-2.0
// Serves a FUSE mount that somebody else made.
#pragma once

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "fuse-fs/journal/journal.hpp"
#include "fuse-fs/session/filesystem.hpp"

namespace vpowercap {

/// Answers requests on `fuse_fd`, an open /dev/fuse that is mounted, with a thread for each slot of the
/// journal, until it is unmounted. Goes on where a predecessor with the same descriptor and journal was
/// cut off, at whichever instruction: its readers see a pause. What was received and perhaps not
/// answered is answered first; the kernel refuses a second answer, and all our requests give the same
/// when repeated. Errors: those of libfuse's start and of reading the descriptor.
///
/// `suspects_requests`: the predecessor ended by itself. What it left is counted, and a request that
/// has ended several servers in a row gets an EIO: better one reader than all.
Result<void> serve(UniqueFd fuse_fd, const Journal& journal, const Filesystem& filesystem,
                   bool suspects_requests = false);

}  // namespace vpowercap
