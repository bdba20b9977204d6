// SPDX-License-Identifier: Apache-2.0
// Covering a directory of sysfs.
#include "guest/mount/sysfs_directory.hpp"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "guest/mount/mount_table.hpp"

namespace vpowercap {
namespace {

/// Lower layers of the overlays; it must stay as long as they do.
constexpr const char* scratch = "/run/vpowercap-guest";

Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return fail_errno(errno, path);
}

}  // namespace

bool is_sysfs(const std::string& path) {
  struct statfs found{};
  return ::statfs(path.c_str(), &found) == 0 && found.f_type == SYSFS_MAGIC;
}

Result<void> add_directory(const std::string& parent, const std::string& name, const LoadModule& load) {
  const std::string layer = std::string(scratch) + "/" + parent.substr(parent.rfind('/') + 1);
  for (const auto& path : {std::string(scratch), layer, layer + "/" + name})
    if (auto made = make_directory(path); !made) return made;
  const std::string layers = "lowerdir=" + layer + ":" + parent;
  const auto cover = [&] {
    const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    return ::mount(cover_source, parent.c_str(), "overlay", flags, layers.c_str()) == 0 ? 0 : errno;
  };
  int code = cover();
  if (code == ENODEV) {
    load("overlay");
    code = cover();
  }
  if (code == 0) return {};
  if (code == ENODEV)
    return fail(code, "this kernel has no overlayfs (CONFIG_OVERLAY_FS), with which " + parent + "/" +
                          name + " could be made");
  if (code == EPERM) return fail(code, "making " + parent + "/" + name + " needs root (CAP_SYS_ADMIN)");
  return fail_errno(code, "cannot cover " + parent + " by an overlay");
}

void remove_added_directory(const std::string& parent) {
  const auto mounted = current_mount(parent);
  if (mounted && *mounted && (*mounted)->source == cover_source)
    ::umount2(parent.c_str(), UMOUNT_NOFOLLOW);
}

}  // namespace vpowercap
