// SPDX-License-Identifier: Apache-2.0
// The border to libfuse: callbacks that answer each request exactly once.
#pragma once

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include "fuse-fs/journal/journal.hpp"
#include "fuse-fs/session/filesystem.hpp"
#include "fuse-fs/session/snapshots.hpp"

namespace vpowercap {

/// Answers the request in `slot`, on the thread that received it or on a successor's: once more if it
/// must be, with the same.
void answer_request(fuse_session* session, const RequestSlot& slot);

/// What the callbacks work on.
struct SessionData {
  const Filesystem& filesystem;
  Snapshots& snapshots;
};

/// The callbacks; the session's user data is a `SessionData*`.
/// An operation left out is answered ENOSYS, which the kernel remembers for the life of the mount: a
/// later version must not rely on it (flush, xattrs, lseek, locks, fallocate, ioctl, poll).
const fuse_lowlevel_ops& fuse_operations();

}  // namespace vpowercap
