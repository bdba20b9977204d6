// SPDX-License-Identifier: Apache-2.0
// The border to libfuse: callbacks that answer each request exactly once.
#pragma once

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

namespace vpowercap {

/// The callbacks; the session's user data is a `const Filesystem*`.
/// An operation left out is answered ENOSYS, which the kernel remembers for the life of the mount: a
/// later version must not rely on it (flush, xattrs, lseek, locks, fallocate, ioctl, poll).
const fuse_lowlevel_ops& fuse_operations();

}  // namespace vpowercap
