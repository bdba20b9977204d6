// SPDX-License-Identifier: Apache-2.0
// The shell where vpowercap was uninstalled: a wired VM starts all the same.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "libvirt-hooks/qemu_hook/test_wrapper.hpp"

namespace vpowercap {
namespace {

namespace fs = std::filesystem;

struct NoProgram : Wrapper {
  const std::string made = paths.source(*Uuid::parse(uuid_text)) + "/intel-rapl";

  void SetUp() override {
    if (!own_namespace || ::geteuid() != 0) GTEST_SKIP() << "needs root for mounts";
    put("/nowhere/vpowercap-qemu-hook");
    dir.make_directory("elsewhere");
  }
  /// All that is below the test's directory.
  [[nodiscard]] std::set<std::string> listing() const {
    std::set<std::string> paths_below;
    for (const auto& entry : fs::recursive_directory_iterator(dir.path()))
      paths_below.insert(entry.path());
    return paths_below;
  }
  void expect_nothing_made(const std::string& input, const std::string& what) const {
    const auto before = listing();
    expect_harmless({"web", "prepare", "begin", "-"}, input, what);
    EXPECT_EQ(listing(), before) << what;
  }
};

std::string with_uuid(const std::string& text) {
  return "<domain type='qemu'>\n  <name>web</name>\n  <uuid>" + text + "</uuid>\n</domain>\n";
}

TEST_F(NoProgram, MakesTheDirectoryReadOnlyForTheVm) {
  dir.remove("run");
  expect_harmless_prepare("no program, no run directory");
  EXPECT_TRUE(fs::is_directory(made));
  EXPECT_EQ(::mkdir((paths.share() + "/x").c_str(), 0755), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(fs::status(paths.run_dir + "/share.lock").permissions(), fs::perms(0600));
  for (const auto& path : {paths.run_dir, paths.share(), paths.source(*Uuid::parse(uuid_text)), made})
    EXPECT_EQ(fs::status(path).permissions(), fs::perms(0755)) << path;
}

TEST_F(NoProgram, MakesItAtPrepareOnly) {
  for (const char* phase : phases)
    if (std::string_view(phase) != "prepare") {
      expect_harmless({"web", phase, "begin", "-"}, domain(), std::string(phase) + ", no program");
      EXPECT_FALSE(fs::exists(paths.share_rw())) << phase;
    }
}

TEST_F(NoProgram, MakesItWhereTheProgramCannotRun) {
  dir.write("program", "#!/nowhere/interpreter\n");
  ::chmod(dir.path("program").c_str(), 0755);
  put(dir.path("program"));
  expect_harmless_prepare("interpreter missing");
  EXPECT_TRUE(fs::is_directory(made));
}

/// What it makes is what the program makes: either goes on with the other's.
TEST_F(NoProgram, SharesTheBaseWithTheProgram) {
  ASSERT_TRUE(prepare_share_base(paths));
  expect_harmless_prepare("no program, base there");
  EXPECT_TRUE(fs::is_directory(made));
  for (const auto& side : {paths.share(), paths.share_rw()}) {
    ASSERT_EQ(::umount2(side.c_str(), MNT_DETACH), 0);
    EXPECT_NE(::umount2(side.c_str(), MNT_DETACH), 0) << side << " was mounted twice";
  }
  expect_harmless_prepare("no program, base unmounted");
  EXPECT_TRUE(fs::is_directory(made));
  ASSERT_TRUE(prepare_share_base(paths));
  ASSERT_TRUE(make_vm_share(paths, *Uuid::parse(uuid_text)));
  for (const auto& side : {paths.share(), paths.share_rw()}) {
    ASSERT_EQ(::umount2(side.c_str(), MNT_DETACH), 0);
    EXPECT_NE(::umount2(side.c_str(), MNT_DETACH), 0) << side << " was mounted twice";
  }
}

TEST_F(NoProgram, MakesNothingForWhatIsNoUuid) {
  const std::string uuid = uuid_text;
  for (const auto& text : std::vector<std::string>{
           "", "..", "../../elsewhere/" + uuid, uuid + "/../../../elsewhere/x", uuid + "\n",
           "$(touch '" + dir.path("touched") + "')", "'; touch '" + dir.path("touched") + "'; '",
           uuid.substr(1), uuid + "0", "C7A5FDBD-EDAF-9455-926A-D65C16DB1809", "-p" + uuid})
    expect_nothing_made(with_uuid(text), "UUID " + text);
  expect_nothing_made("", "no input");
  expect_nothing_made(std::string(8'000'000, 'x'), "a line of 8 MB");
  expect_nothing_made("<uuid>..</uuid>\n" + domain(), "a wrong UUID before the right one");
  around.endless = true;
  expect_nothing_made("<domain>\n", "input that never ends");
}

TEST_F(NoProgram, WaitsForNothingBehindTheUuid) {
  around.endless = true;
  auto outcome = run({"web", "prepare", "begin", "-"}, domain());
  outcome.most = std::chrono::milliseconds(2000);
  check(outcome, "no program, input that does not end behind the UUID");
  EXPECT_TRUE(fs::is_directory(made));
}

TEST_F(NoProgram, FollowsNoLinkAndTrustsNoOtherOwner) {
  dir.symlink("run/share.rw", dir.path("elsewhere"));
  expect_nothing_made(domain(), "a link as base");
  dir.remove("run/share.rw");
  dir.remove("run");
  dir.symlink("run", dir.path("elsewhere"));
  expect_nothing_made(domain(), "a link as run directory");
  dir.remove("run");
  dir.make_directory("run");
  ASSERT_EQ(::chown(paths.run_dir.c_str(), 54321, 54321), 0);
  expect_nothing_made(domain(), "another user's run directory");
  ASSERT_EQ(::chown(paths.run_dir.c_str(), 0, 0), 0);
  ASSERT_TRUE(prepare_share_base(paths));
  dir.symlink("run/share.rw/" + std::string(uuid_text), dir.path("elsewhere"));
  expect_harmless_prepare("a link as the VM's directory");
  EXPECT_TRUE(fs::is_empty(dir.path("elsewhere")));
}

TEST_F(NoProgram, WaitsNotForEverForAnotherMaker) {
  const UniqueFd lock(
      ::open((paths.run_dir + "/share.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
  expect_harmless_prepare("no program, share.lock held by another");
}

}  // namespace
}  // namespace vpowercap
