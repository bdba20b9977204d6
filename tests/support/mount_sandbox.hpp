// SPDX-License-Identifier: Apache-2.0
// A mount namespace for tests that mount: nothing of it is seen outside, nothing is left behind.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>

#include "tests/support/temp_dir.hpp"

namespace vpowercap::testing {

/// Moves this process into a mount namespace of its own, once. Returns "" or why that cannot be done
/// (the reason to give GTEST_SKIP).
inline std::string enter_mount_sandbox() {
  static const std::string reason = []() -> std::string {
    if (::geteuid() != 0) return "needs root to mount";
    if (::unshare(CLONE_NEWNS) != 0) return "the kernel refuses a mount namespace";
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return "cannot make the mount namespace private";
    return "";
  }();
  return reason;
}

/// A temporary directory on a tmpfs of its own: all that a test mounts below it goes with it.
class MountedTempDir {
 public:
  explicit MountedTempDir(const char* options = "mode=0755") {
    mounted_ = ::mount("test", dir_.path().c_str(), "tmpfs", 0, options) == 0;
  }
  ~MountedTempDir() {
    if (mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
  }
  MountedTempDir(const MountedTempDir&) = delete;
  MountedTempDir& operator=(const MountedTempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return dir_.path(); }

 private:
  TempDir dir_;
  bool mounted_ = false;
};

}  // namespace vpowercap::testing
