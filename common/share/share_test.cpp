// SPDX-License-Identifier: Apache-2.0
// The laws of the share: read-only, propagating, safe against itself.
#include "common/share/share.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include <filesystem>
#include <memory>
#include <thread>

#include "common/share/mount_table.hpp"
#include "tests/support/mount_sandbox.hpp"

namespace vpowercap {
namespace {

namespace fs = std::filesystem;

const Uuid vm = *Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db1809");

class Share : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = testing::enter_mount_sandbox(); !reason.empty()) GTEST_SKIP() << reason;
    dir_ = std::make_unique<testing::MountedTempDir>();
    paths_.run_dir = dir_->path() + "/run";
  }
  [[nodiscard]] std::string below(const std::string& base, const std::string& rest = "") const {
    return base + "/" + vm.to_string() + rest;
  }
  void prepare() {
    const auto prepared = prepare_share_base(paths_);
    ASSERT_TRUE(prepared) << prepared.error().message;
  }
  void make() {
    const auto made = make_vm_share(paths_, vm);
    ASSERT_TRUE(made) << made.error().message;
  }
  [[nodiscard]] std::size_t mounts_below() const {
    std::size_t count = 0;
    const auto table = read_mount_table().value();
    for (const auto& entry : table) count += entry.mount_point.starts_with(paths_.run_dir + "/");
    return count;
  }

  RunPaths paths_;
  std::unique_ptr<testing::MountedTempDir> dir_;
};

unsigned mode_of(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST_F(Share, IsReadOnlyWhereGuestsLookAndWritableBesides) {
  prepare();
  make();
  EXPECT_EQ(::mkdir((paths_.share() + "/x").c_str(), 0755), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_TRUE(fs::is_directory(below(paths_.share(), "/intel-rapl")));
  EXPECT_TRUE(fs::is_empty(below(paths_.share(), "/intel-rapl")));
  EXPECT_EQ(paths_.source(vm), below(paths_.share()));
}

TEST_F(Share, TakesNoMoreThan16MiBOfMemory) {
  prepare();
  struct statvfs status{};
  ASSERT_EQ(::statvfs(paths_.share_rw().c_str(), &status), 0);
  EXPECT_EQ(status.f_blocks * status.f_frsize, 16u << 20);
  EXPECT_EQ(status.f_files, 140'000u);
}

TEST_F(Share, AllowsNoProgramsDevicesOrSetuid) {
  prepare();
  const auto table = *read_mount_table();
  for (const auto& path : {paths_.share(), paths_.share_rw()}) {
    const auto* entry = find_mount(table, path);
    ASSERT_NE(entry, nullptr) << path;
    for (const auto* option : {"nosuid", "nodev", "noexec"})
      EXPECT_NE(entry->options.find(option), std::string::npos) << path << " " << entry->options;
  }
}

TEST_F(Share, MakingItTwiceChangesNothing) {
  prepare();
  make();
  prepare();
  make();
  EXPECT_EQ(mounts_below(), 2u);
}

TEST_F(Share, ManyMakersAtOnceMakeOneBase) {
  std::vector<pid_t> makers;
  for (int i = 0; i < 8; ++i) {
    makers.push_back(::fork());
    if (makers.back() == 0) ::_exit(prepare_share_base(paths_) && make_vm_share(paths_, vm) ? 0 : 1);
  }
  for (const auto maker : makers) {
    int status = -1;
    ::waitpid(maker, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(mounts_below(), 2u);
}

TEST_F(Share, ModesDoNotDependOnTheUmask) {
  const auto before = ::umask(077);
  prepare();
  make();
  ::umask(before);
  for (const auto& path :
       {paths_.run_dir, paths_.share(), below(paths_.share()), below(paths_.share(), "/intel-rapl")})
    EXPECT_EQ(mode_of(path), 0755u) << path;
}

TEST_F(Share, PrepareMendsWhatIsMissing) {
  prepare();
  make();
  ASSERT_EQ(::umount2(paths_.share().c_str(), MNT_DETACH), 0);
  prepare();
  EXPECT_TRUE(fs::exists(below(paths_.share(), "/intel-rapl")));
  ASSERT_EQ(::mount(nullptr, paths_.share().c_str(), nullptr, MS_REMOUNT | MS_BIND, nullptr), 0);
  prepare();
  EXPECT_EQ(::mkdir((paths_.share() + "/x").c_str(), 0755), -1);
}

TEST_F(Share, MountsBelowTheWritableSideAppearBelowTheOther) {
  prepare();
  make();
  ASSERT_EQ(::mount("t", below(paths_.share_rw(), "/intel-rapl").c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(::mkdir(below(paths_.share_rw(), "/intel-rapl/seen").c_str(), 0755), 0);
  EXPECT_TRUE(fs::exists(below(paths_.share(), "/intel-rapl/seen")));
  make();  // with something mounted
  ASSERT_EQ(::umount2(below(paths_.share_rw(), "/intel-rapl").c_str(), MNT_DETACH), 0);
  EXPECT_FALSE(fs::exists(below(paths_.share(), "/intel-rapl/seen")));
}

TEST_F(Share, NoDirectoryIsMadeBeneathAMissingBase) {
  fs::create_directories(paths_.share_rw());
  const auto made = make_vm_share(paths_, vm);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ENOENT);
  EXPECT_FALSE(fs::exists(below(paths_.share_rw())));
}

TEST_F(Share, LinksBecomeExactlyThose) {
  prepare();
  make();
  const std::vector<FlatLink> two{{"intel-rapl:0", "intel-rapl/intel-rapl:0"},
                                  {"intel-rapl:1", "intel-rapl/intel-rapl:1"}};
  ASSERT_TRUE(link_vm_zones(paths_, vm, two));
  EXPECT_EQ(fs::read_symlink(below(paths_.share(), "/intel-rapl:1")), "intel-rapl/intel-rapl:1");
  const std::vector<FlatLink> one{{"intel-rapl:0", "elsewhere"}};
  ASSERT_TRUE(link_vm_zones(paths_, vm, one));
  EXPECT_EQ(fs::read_symlink(below(paths_.share(), "/intel-rapl:0")), "elsewhere");
  EXPECT_FALSE(fs::is_symlink(below(paths_.share(), "/intel-rapl:1")));
  EXPECT_TRUE(fs::exists(below(paths_.share(), "/intel-rapl")));
}

TEST_F(Share, RemovalSparesWhatWasUsedJustNow) {
  prepare();
  make();
  const std::vector<FlatLink> one{{"intel-rapl:0", "intel-rapl/intel-rapl:0"}};
  ASSERT_TRUE(link_vm_zones(paths_, vm, one));
  const auto spared = remove_vm_share(paths_, vm, std::chrono::minutes(1));
  ASSERT_TRUE(spared) << spared.error().message;
  EXPECT_FALSE(*spared);
  EXPECT_TRUE(fs::exists(below(paths_.share())));
  const auto removed = remove_vm_share(paths_, vm, Nanoseconds(0));
  ASSERT_TRUE(removed) << removed.error().message;
  EXPECT_TRUE(*removed);
  EXPECT_TRUE(fs::is_empty(paths_.share()));
  EXPECT_TRUE(*remove_vm_share(paths_, vm, Nanoseconds(0)));
}

TEST_F(Share, MakersAndRemoversAtOnceLeaveAWholeDirectory) {
  prepare();
  std::atomic<bool> stop = false;
  std::thread remover([&] {
    while (!stop) (void)remove_vm_share(paths_, vm, Nanoseconds(0));
  });
  std::size_t failed = 0;
  for (int i = 0; i < 300; ++i) failed += !make_vm_share(paths_, vm);
  stop = true;
  remover.join();
  EXPECT_EQ(failed, 0u);
  make();
  EXPECT_TRUE(fs::exists(below(paths_.share(), "/intel-rapl")));
}

}  // namespace
}  // namespace vpowercap
