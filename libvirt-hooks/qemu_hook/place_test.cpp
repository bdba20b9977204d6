// SPDX-License-Identifier: Apache-2.0
// The program where the disk is full, or where the daemon's socket should be is something else.
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "libvirt-hooks/qemu_hook/test_call.hpp"

namespace vpowercap {
namespace {

constexpr uid_t stranger = 54321;

struct HookPlace : Hook {
  void SetUp() override {
    if (!own_namespace || ::geteuid() != 0) GTEST_SKIP() << "needs root for mounts and other users";
  }
  [[nodiscard]] bool has_share() const {
    return ::access((paths.source(*Uuid::parse(uuid_text)) + "/intel-rapl").c_str(), F_OK) == 0;
  }
  /// A copy of the program that other users can reach.
  void copy_program() {
    std::stringstream bytes;
    bytes << std::ifstream(HOOK_PROGRAM, std::ios::binary).rdbuf();
    dir.write("hook", bytes.str());
    for (const auto& path : {dir.path(), dir.path("hook"), paths.run_dir}) ::chmod(path.c_str(), 0755);
    program[0] = dir.path("hook");
  }
};

TEST_F(HookPlace, DoesWithARunDirectoryOnAFullDisk) {
  ASSERT_EQ(::mount("tmpfs", paths.run_dir.c_str(), "tmpfs", 0, "nr_inodes=1"), 0);
  ASSERT_NE(::mkdir((paths.run_dir + "/x").c_str(), 0755), 0);
  expect_harmless_prepare("run directory on a full disk");
  EXPECT_FALSE(has_share());
}

TEST_F(HookPlace, DoesWithAShareThatIsFullAndTellsTheDaemonNevertheless) {
  listen(16);
  ASSERT_TRUE(prepare_share_base(paths));
  struct statfs used{};
  ASSERT_EQ(::statfs(paths.share_rw().c_str(), &used), 0);
  const auto full = "nr_inodes=" + std::to_string(used.f_files - used.f_ffree);
  ASSERT_EQ(::mount("none", paths.share_rw().c_str(), nullptr, MS_REMOUNT, full.c_str()), 0);
  expect_harmless_prepare("share is full");
  EXPECT_FALSE(has_share());
  EXPECT_EQ(next_frame()->get("uuid"), uuid_text);
}

TEST_F(HookPlace, DoesWithARunDirectoryThatCannotBeWritten) {
  ASSERT_EQ(::mount("tmpfs", paths.run_dir.c_str(), "tmpfs", MS_RDONLY, ""), 0);
  expect_harmless_prepare("run directory read-only");
  EXPECT_FALSE(has_share());
}

TEST_F(HookPlace, TalksToASocketOfAnotherUser) {
  listen(16);
  ASSERT_EQ(::chown(paths.control().c_str(), stranger, stranger), 0);
  ASSERT_EQ(::chmod(paths.control().c_str(), 0600), 0);
  expect_harmless_prepare("socket of another user");
  EXPECT_EQ(next_frame()->get("uuid"), uuid_text);
}

TEST_F(HookPlace, DoesWithASocketItMayNotUse) {
  listen(16);
  ASSERT_EQ(::chmod(paths.control().c_str(), 0600), 0);
  copy_program();
  around.user = stranger;
  expect_harmless_prepare("socket of root, hook of another user");
  EXPECT_FALSE(next_frame());
}

TEST_F(HookPlace, DoesWithSocketsOfOtherKinds) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    listen(16, type);
    expect_harmless_prepare("socket of kind " + std::to_string(type));
    EXPECT_TRUE(has_share());
    dir.remove("run/control");
  }
}

TEST_F(HookPlace, DoesWithWhatIsNoSocket) {
  const auto control = paths.control();
  dir.write("run/control", "no socket");
  expect_harmless_prepare("a file as socket");
  dir.remove("run/control");
  dir.make_directory("run/control");
  expect_harmless_prepare("a directory as socket");
  dir.remove("run/control");
  dir.symlink("run/control", control);
  expect_harmless_prepare("a link to itself as socket");
  dir.remove("run/control");
  ASSERT_EQ(::mkfifo(control.c_str(), 0600), 0);
  expect_harmless_prepare("a pipe as socket");
  EXPECT_TRUE(has_share());
}

}  // namespace
}  // namespace vpowercap
