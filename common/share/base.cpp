// SPDX-License-Identifier: Apache-2.0
// The tmpfs behind all shares and its read-only view.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>
#include <thread>

#include "common/base/unique_fd.hpp"
#include "common/share/mount_table.hpp"
#include "common/share/share.hpp"

namespace vpowercap {
namespace {

constexpr auto tmpfs_source = "vpowercap-share";
/// Room for 512 VMs of 64 sockets with 4 zones each, as links and directories; no file holds data.
constexpr auto tmpfs_options = "mode=0755,size=16m,nr_inodes=140000";
constexpr unsigned long safe_flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) {
    if (::chmod(path.c_str(), 0755) != 0) return fail_errno(errno, "cannot set the mode of " + path);
  } else if (errno != EEXIST) {
    return fail_errno(errno, "cannot make the directory " + path);
  }
  return {};
}

/// Mountinfo names mount points without links.
Result<RunPaths> without_links(const RunPaths& paths) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(paths.run_dir.c_str(), nullptr),
                                                         &std::free);
  if (!real) return fail_errno(errno, "cannot resolve " + paths.run_dir);
  return RunPaths{real.get()};
}

const MountEntry* writable_side(const MountTable& table, const RunPaths& real) {
  const auto* entry = find_mount(table, real.share_rw());
  return entry != nullptr && entry->type == "tmpfs" && entry->source == tmpfs_source ? entry : nullptr;
}

const MountEntry* read_only_side(const MountTable& table, const RunPaths& real,
                                 const MountEntry& writable) {
  const auto* entry = find_mount(table, real.share());
  return entry != nullptr && entry->device == writable.device && entry->root == "/" ? entry : nullptr;
}

Result<bool> is_complete(const RunPaths& real) {
  const auto table = read_mount_table();
  if (!table) return tl::unexpected(table.error());
  const auto* writable = writable_side(*table, real);
  if (writable == nullptr || !writable->shared) return false;
  const auto* read_only = read_only_side(*table, real, *writable);
  return read_only != nullptr && read_only->read_only() && read_only->shared;
}

/// One maker at a time. Whoever holds the lock does a few system calls that wait for nobody.
Result<UniqueFd> lock_base(const RunPaths& paths) {
  const auto path = paths.run_dir + "/share.lock";
  UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return fail_errno(errno, "cannot open " + path);
  for (int tries = 0; tries < 200; ++tries) {
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return fail(EBUSY,
              path + " has been locked for two seconds: another program makes the share and hangs");
}

Result<void> mount_writable(const RunPaths& real) {
  const auto table = read_mount_table();
  if (!table) return tl::unexpected(table.error());
  const auto path = real.share_rw();
  const auto* entry = writable_side(*table, real);
  if (entry == nullptr && ::mount(tmpfs_source, path.c_str(), "tmpfs", safe_flags, tmpfs_options) != 0)
    return fail_errno(errno, "cannot mount a tmpfs on " + path);
  if ((entry == nullptr || !entry->shared) &&
      ::mount(nullptr, path.c_str(), nullptr, MS_SHARED, nullptr) != 0)
    return fail_errno(errno, "cannot make mounts below " + path + " propagate");
  return {};
}

/// The view is read-only before it can be seen: a virtiofsd that starts at this moment copies it.
/// A copy of a shared mount is its peer, so what is mounted below share.rw appears below share.
Result<void> mount_read_only(const RunPaths& real) {
  const auto table = read_mount_table();
  if (!table) return tl::unexpected(table.error());
  const auto path = real.share();
  const auto* writable = writable_side(*table, real);
  if (writable == nullptr) return fail(EIO, "the tmpfs on " + real.share_rw() + " vanished");
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  if (const auto* there = read_only_side(*table, real, *writable); there != nullptr) {
    if (!there->read_only() &&
        ::mount_setattr(AT_FDCWD, path.c_str(), 0, &attributes, sizeof attributes) != 0)
      return fail_errno(errno, "cannot make " + path + " read-only");
    return {};
  }
  // Recursive: binds that outlived a lost view come along.
  const UniqueFd view(::open_tree(AT_FDCWD, real.share_rw().c_str(),
                                  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (!view) return fail_errno(errno, "cannot copy the mount of " + real.share_rw());
  if (::mount_setattr(view.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    return fail_errno(errno, "cannot make the view of " + real.share_rw() + " read-only");
  if (::move_mount(view.get(), "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return fail_errno(errno, "cannot mount the read-only view on " + path);
  return {};
}

}  // namespace

Result<void> prepare_share_base(const RunPaths& paths) {
  if (auto made = make_directory(paths.run_dir); !made) return made;
  const auto real = without_links(paths);
  if (!real) return tl::unexpected(real.error());
  // The usual case takes no lock, so that a hook waits for nobody.
  auto complete = is_complete(*real);
  if (!complete) return tl::unexpected(complete.error());
  if (*complete) return {};
  const auto lock = lock_base(*real);
  if (!lock) return tl::unexpected(lock.error());
  for (const auto& path : {real->share_rw(), real->share()})
    if (auto made = make_directory(path); !made) return made;
  if (auto mounted = mount_writable(*real); !mounted) return mounted;
  if (auto mounted = mount_read_only(*real); !mounted) return mounted;
  complete = is_complete(*real);
  if (!complete) return tl::unexpected(complete.error());
  if (!*complete)
    return fail(EIO, "what is mounted on " + real->share() + " is not the share: unmount it");
  return {};
}

}  // namespace vpowercap
