// SPDX-License-Identifier: Apache-2.0
// Mounting and unmounting with the system calls themselves.
#include "fuse-fs/mount/fuse_mount.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fuse-fs/journal/journal.hpp"
#include "fuse-fs/mount/plan.hpp"

namespace vpowercap {

Result<FuseMount> make_fuse_mount(const RunPaths& paths, unsigned threads) {
  const auto path = paths.fs();
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    return fail_errno(errno, "cannot make the directory " + path);
  FuseMount made;
  auto journal = Journal::create(threads);
  if (!journal) return tl::unexpected(journal.error());
  made.journal = std::move(*journal);
  made.fd.reset(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!made.fd) return fail_errno(errno, "cannot open /dev/fuse (is the kernel module fuse loaded?)");
  // allow_other, as virtiofsd and operators have other users; default_permissions, so that 0400 is
  // kept by the kernel on the host as well.
  const auto options = "fd=" + std::to_string(made.fd.get()) +
                       ",rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions";
  constexpr unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (::mount("vpowercap", path.c_str(), fuse_type, flags, options.c_str()) != 0)
    return fail_errno(errno, "cannot mount a FUSE file system on " + path);
  // Its binds below share.rw are what propagates, not the mount itself.
  if (::mount(nullptr, path.c_str(), nullptr, MS_PRIVATE, nullptr) != 0)
    return fail_errno(errno, "cannot make the mount on " + path + " private");
  const auto table = read_mount_table();
  if (!table) return tl::unexpected(table.error());
  const auto* entry = find_mount(*table, path);
  if (entry == nullptr || entry->type != fuse_type)
    return fail(EIO, "the mount on " + path + " vanished");
  made.device = entry->device;
  return made;
}

Result<void> unmount_all(const RunPaths& paths) {
  // Several rounds: mounts may lie on top of one another, and one unmount may take others along.
  for (int round = 0; round < 64; ++round) {
    const auto table = read_mount_table();
    if (!table) return tl::unexpected(table.error());
    const auto mounts = our_fuse_mounts(*table, paths);
    if (mounts.empty()) return {};
    for (const auto& path : mounts)
      if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
          errno != ENOENT)
        return fail_errno(errno, "cannot unmount " + path);
  }
  return fail(EBUSY,
              "FUSE mounts below " + paths.run_dir + " come back as often as they are unmounted");
}

bool is_aborted(const FuseMount& mount) {
  pollfd connection{mount.fd.get(), 0, 0};
  return ::poll(&connection, 1, 0) == 1 && (connection.revents & POLLERR) != 0;
}

}  // namespace vpowercap
