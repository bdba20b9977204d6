// SPDX-License-Identifier: Apache-2.0
// systemd's file descriptor store: what a mount needs outlives vpowercap-mount itself.
#pragma once

#include <optional>

#include "fuse-fs/mount/fuse_mount.hpp"

namespace vpowercap {

/// Whether this process runs as a service of systemd that may keep descriptors
/// (sd_pid_notify_with_fds(3); the unit has FileDescriptorStoreMax=).
bool has_fd_store();

/// Gives both descriptors of a mount to the store, or takes them back out of it. Nothing where there is
/// no store: then the mount ends with this process.
void store_mount(const FuseMount& mount);
void forget_stored_mount(const FuseMount& mount);
/// Gives a stored mount a journal of another version. A successor finds one of them at every instant.
void change_stored_journal(FuseMount& mount, UniqueFd journal);

/// What a predecessor stored, if all of it is there; once, at the start. Whether the mount still is,
/// the caller has to see. Anything else in the store, which one may have left that was killed while it
/// stored or forgot, is taken out: it could keep a connection alive that nobody serves.
std::optional<FuseMount> take_stored_mount();

}  // namespace vpowercap
