// SPDX-License-Identifier: Apache-2.0
// The border to libfuse: callbacks that answer each request exactly once.
#pragma once

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include "fuse-fs/session/filesystem.hpp"
#include "fuse-fs/session/snapshots.hpp"

namespace vpowercap {

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
