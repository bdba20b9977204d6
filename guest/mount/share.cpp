// SPDX-License-Identifier: Apache-2.0
// Mounting the share.
#include "guest/mount/share.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cstring>

#include "common/base/utf8.hpp"
#include "common/powercap/tree.hpp"
#include "guest/mount/mount_table.hpp"
#include "guest/mount/sysfs_directory.hpp"

namespace vpowercap {
namespace {

std::string quoted(const std::string& text) { return "\"" + printable(text) + "\""; }

bool is_ours(const MountEntry& mount, const GuestShare& share) {
  return mount.type == "virtiofs" && mount.source == share.tag;
}

std::string describe(const MountEntry& mount) {
  return "a " + printable(mount.type) + " of " + quoted(mount.source);
}

/// One try of mount(2): 0 or its errno.
int try_mount(const GuestShare& share) {
  const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const int done = ::mount(share.tag.c_str(), share.target.c_str(), "virtiofs", flags, nullptr);
  return done == 0 ? 0 : errno;
}

/// A virtiofs whose device was detached answers so for ever, also when one with its tag is back.
bool is_dead(const std::string& target) {
  struct statfs found{};
  return ::statfs(target.c_str(), &found) != 0 && errno == ENOTCONN;
}

/// The two parts of a path that is to be a directory.
struct Place {
  std::string parent, name;
  explicit Place(const std::string& path)
      : parent(path.substr(0, path.rfind('/'))), name(path.substr(path.rfind('/') + 1)) {}
};

/// Sees to it that the target is a directory. One that is missing in sysfs, as /sys/class/powercap of a
/// kernel without CONFIG_POWERCAP, is made.
Result<void> provide_target(const GuestShare& share, const LoadModule& load) {
  struct stat found{};
  if (::stat(share.target.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) return {};
    return fail(ENOTDIR, share.target + " is not a directory");
  }
  if (errno != ENOENT) return fail_errno(errno, share.target);
  const Place place(share.target);
  if (!is_sysfs(place.parent))
    return fail(
        ENOENT,
        share.target + " does not exist: make that directory, or mount /sys if it should be there");
  auto made = add_directory(place.parent, place.name, load);
  if (!made)
    return fail(
        made.error().code,
        share.target + " does not exist (a kernel without CONFIG_POWERCAP?), and " +
            made.error().message +
            "; name another place with --target, and see check --for AGENT for how agents find it");
  return {};
}

/// Refuses to hide what others may need.
Result<void> check_nothing_hidden(const GuestShare& share, const std::optional<MountEntry>& mounted) {
  if (mounted)
    return fail(EBUSY, share.target + " has " + describe(*mounted) +
                           " mounted already; unmount that first, or --force to mount over it");
  const auto scan = scan_powercap(share.target);
  if (scan.zones.empty()) return {};
  return fail(EEXIST, share.target + " has power zones of its own (" + scan.zones.front().info().id +
                          "): this looks like a host or bare metal; --force mounts over them");
}

/// Takes dead mounts of ours off the target. True when there was one.
bool clear_dead_mounts(const GuestShare& share) {
  bool cleared = false;
  while (is_dead(share.target)) {
    const auto mounted = current_mount(share.target);
    if (!mounted || !*mounted || !is_ours(**mounted, share)) break;
    if (::umount2(share.target.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0) break;
    cleared = true;
  }
  return cleared;
}

}  // namespace

std::string explain_mount_error(int code, const GuestShare& share) {
  const std::string what = "cannot mount tag " + quoted(share.tag) + " on " + share.target + ": ";
  switch (code) {
    case ENODEV:
      return what +
             "this kernel knows no virtiofs (CONFIG_VIRTIO_FS, module virtiofs); in an initramfs put "
             "the "
             "modules virtiofs and virtio_pci into it";
    case EINVAL:
    case ENOENT:
    case ENXIO:
      return what +
             "no virtiofs device with that tag in this VM; wire the VM on the host (vpowercap "
             "wire) and power-cycle it, or name the tag with --tag";
    case EPERM:
    case EACCES: return what + "that needs root (CAP_SYS_ADMIN)";
    case EBUSY: return what + "it is mounted elsewhere or the place is in use";
    default: return what + std::strerror(code);
  }
}

Result<std::string> mount_share(const GuestShare& share, bool force, const LoadModule& load) {
  const bool was_dead = clear_dead_mounts(share);
  if (auto usable = provide_target(share, load); !usable) return tl::unexpected(usable.error());
  const auto mounted = current_mount(share.target);
  if (!mounted) return tl::unexpected(mounted.error());
  if (*mounted && is_ours(**mounted, share))
    return "tag " + quoted(share.tag) + " is mounted on " + share.target + " already";
  if (!force)
    if (auto free = check_nothing_hidden(share, *mounted); !free) return tl::unexpected(free.error());

  int code = try_mount(share);
  if (code == ENODEV) {
    load("virtiofs");
    code = try_mount(share);
  }
  if (code == EINVAL) {  // the device may be there without its bus's driver
    load("virtio_pci");
    code = try_mount(share);
  }
  if (code != 0) {
    remove_added_directory(Place(share.target).parent);
    return fail(code, explain_mount_error(code, share));
  }
  return "mounted tag " + quoted(share.tag) + " on " + share.target + ", read-only" +
         (was_dead ? ", in place of one whose device was detached" : "");
}

Result<std::string> unmount_share(const GuestShare& share, bool force) {
  const auto mounted = current_mount(share.target);
  if (!mounted && mounted.error().code != ENOENT) return tl::unexpected(mounted.error());
  if (!mounted || !*mounted) return "nothing is mounted on " + share.target;
  if (!is_ours(**mounted, share))
    return fail(EINVAL, share.target + " has " + describe(**mounted) + " mounted, not our tag " +
                            quoted(share.tag) + "; left as it is");
  const int detach = force || is_dead(share.target) ? MNT_DETACH : 0;
  if (::umount2(share.target.c_str(), UMOUNT_NOFOLLOW | detach) == 0) {
    remove_added_directory(Place(share.target).parent);
    return "unmounted " + share.target;
  }
  if (errno == EBUSY)
    return fail(EBUSY, share.target + " is in use: stop the agents that read there, or --force");
  if (errno == EPERM) return fail(EPERM, "unmounting " + share.target + " needs root (CAP_SYS_ADMIN)");
  return fail_errno(errno, "cannot unmount " + share.target);
}

}  // namespace vpowercap
