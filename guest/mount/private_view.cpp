// SPDX-License-Identifier: Apache-2.0
// Mounts in a mount namespace of one's own.
#include "guest/mount/private_view.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "guest/mount/sysfs_directory.hpp"

namespace vpowercap {
namespace {

bool exists(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0;
}

Result<void> enter_namespace() {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    if (errno == EPERM) return fail(EPERM, "a mount namespace needs root (CAP_SYS_ADMIN)");
    return fail_errno(errno, "cannot enter a mount namespace");
  }
  return {};
}

Result<void> bind(const std::string& from, const std::string& to) {
  if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  return fail_errno(errno, "cannot bind " + from + " to " + to);
}

/// Without overlayfs: a directory of its own that holds nothing but the share.
Result<void> cover_alone(const std::string& parent, const std::string& path) {
  const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (::mount(cover_source, parent.c_str(), "tmpfs", flags, "size=64k,mode=755") != 0 ||
      ::mkdir(path.c_str(), 0755) != 0)
    return fail_errno(errno, "cannot make " + path);
  return {};
}

Result<void> show_at(const GuestShare& share, const std::string& path, const LoadModule& load) {
  if (share.target == path) return {};
  const auto slash = path.rfind('/');
  const auto parent = path.substr(0, slash);
  if (!exists(path)) {
    auto made = add_directory(parent, path.substr(slash + 1), load);
    if (!made && path == devices_place) made = cover_alone(parent, path);
    if (!made) return made;
  }
  return bind(share.target, path);
}

}  // namespace

Result<void> enter_private_view(const GuestShare& share, const LoadModule& load) {
  if (!exists(share.target + "/intel-rapl"))
    return fail(ENOENT, "there is no share on " + share.target +
                            ": vpowercap-guest mount, or name its place with --target");
  if (auto entered = enter_namespace(); !entered) return entered;
  for (const char* place : {class_place, devices_place})
    if (auto shown = show_at(share, place, load); !shown) return shown;
  return {};
}

}  // namespace vpowercap
