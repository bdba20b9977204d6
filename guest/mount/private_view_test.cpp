// SPDX-License-Identifier: Apache-2.0
// The private view, in children of this process: each has mount namespaces of its own.
#include "guest/mount/private_view.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "common/base/file.hpp"
#include "guest/mount/sysfs_directory.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

/// Runs `body` in a child; its code is that of the first complaint, and 0 without any.
int in_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

bool exists(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0;
}

std::string enabled_at(std::string place) { return place.append("/intel-rapl/enabled"); }

std::string content(const std::string& path) { return read_file_at(AT_FDCWD, path).value_or(""); }

struct PrivateView : ::testing::Test {
  testing::TempDir dir;
  GuestShare share{"vpowercap", dir.path("share")};

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    dir.write("share/intel-rapl/enabled", "1\n");
  }
  /// 1 to 4: what is wrong in the view.
  [[nodiscard]] int look(const LoadModule& load = modprobe) const {
    if (const auto entered = enter_private_view(share, load); !entered) {
      std::fprintf(stderr, "%s\n", entered.error().message.c_str());
      return 1;
    }
    if (content(enabled_at(class_place)) != "1\n") return 2;
    if (content(enabled_at(devices_place)) != "1\n") return 3;
    return 0;
  }
};

TEST_F(PrivateView, TheShareIsAtBothPlacesAndNobodyElseSeesIt) {
  const bool had_class = exists(class_place), had_devices = exists(devices_place);
  EXPECT_EQ(in_child([&] { return look(); }), 0);
  EXPECT_EQ(exists(class_place), had_class);
  EXPECT_EQ(exists(devices_place), had_devices);
  EXPECT_FALSE(exists(enabled_at(devices_place)));
}

TEST_F(PrivateView, OtherVirtualDevicesStay) {
  EXPECT_EQ(in_child([&] {
              if (const int wrong = look(); wrong != 0) return wrong;
              return exists("/sys/devices/virtual/net/lo") && exists("/sys/class/net/lo") ? 0 : 9;
            }),
            0);
}

TEST_F(PrivateView, WithoutAShareItSaysWhatToDo) {
  dir.remove("share/intel-rapl/enabled");
  dir.remove("share/intel-rapl");
  const auto entered = enter_private_view(share);
  ASSERT_FALSE(entered);
  EXPECT_NE(entered.error().message.find("vpowercap-guest mount"), std::string::npos);
}

TEST_F(PrivateView, ADirectoryOfSysfsIsAddedAndTakenAway) {
  EXPECT_EQ(in_child([&] {
              if (::unshare(CLONE_NEWNS) != 0 ||
                  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
                return 1;
              if (!is_sysfs("/sys/class") || is_sysfs(dir.path())) return 2;
              if (!add_directory("/sys/class", "vpowercap-test", modprobe)) return 3;
              if (!exists("/sys/class/vpowercap-test") || !exists("/sys/class/net/lo")) return 4;
              remove_added_directory("/sys/class");
              if (!is_sysfs("/sys/class") || exists("/sys/class/vpowercap-test")) return 5;
              remove_added_directory("/sys/class");  // nothing of ours: left alone
              return is_sysfs("/sys/class") ? 0 : 6;
            }),
            0);
}

}  // namespace
}  // namespace vpowercap
