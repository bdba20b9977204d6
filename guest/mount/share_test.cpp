// SPDX-License-Identifier: Apache-2.0
#include "guest/mount/share.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

struct Share : ::testing::Test {
  testing::TempDir dir;
  GuestShare share{"no-such-tag", dir.path("powercap")};
  std::vector<std::string> loaded;

  Share() { dir.make_directory("powercap"); }
  Result<std::string> mount(bool force = false) {
    return mount_share(share, force, [&](const std::string& module) { loaded.push_back(module); });
  }
  std::string refusal(bool force = false) {
    const auto done = mount(force);
    return done ? "mounted" : done.error().message;
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(Share, AMissingTargetIsExplained) {
  dir.remove("powercap");
  EXPECT_TRUE(has(refusal(), share.target + " does not exist"));
  EXPECT_TRUE(has(refusal(), "make that directory"));
  EXPECT_EQ(unmount_share(share, false).value_or(""), "nothing is mounted on " + share.target);
}

TEST_F(Share, ATreeWithZonesIsNotHiddenWithoutForce) {
  dir.write("powercap/intel-rapl:0/name", "package-0\n");
  dir.write("powercap/intel-rapl:0/energy_uj", "1\n");
  dir.write("powercap/intel-rapl:0/max_energy_range_uj", "2\n");
  EXPECT_TRUE(has(refusal(), "power zones of its own (intel-rapl:0)"));
  EXPECT_TRUE(loaded.empty()) << "nothing was tried";
  EXPECT_TRUE(has(refusal(true), "cannot mount tag"));
}

TEST_F(Share, ATagThatIsNotThereIsExplained) {
  const auto done = mount();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, explain_mount_error(done.error().code, share));
  const int code = done.error().code;
  if (::geteuid() != 0) {
    EXPECT_EQ(code, EPERM);
  } else if (code == ENODEV) {
    EXPECT_EQ(loaded, std::vector<std::string>{"virtiofs"});
  } else {
    EXPECT_EQ(code, EINVAL);
    EXPECT_EQ(loaded.back(), "virtio_pci");
  }
}

TEST(ExplainMountError, SaysWhatToDo) {
  const GuestShare share{"power", "/p"};
  EXPECT_TRUE(has(explain_mount_error(EINVAL, share), "no virtiofs device with that tag"));
  EXPECT_TRUE(has(explain_mount_error(EINVAL, share), "\"power\""));
  EXPECT_TRUE(has(explain_mount_error(EINVAL, share), "wire the VM on the host"));
  EXPECT_TRUE(has(explain_mount_error(ENODEV, share), "CONFIG_VIRTIO_FS"));
  EXPECT_TRUE(has(explain_mount_error(EPERM, share), "root"));
}

TEST_F(Share, AnotherMountIsNeitherHiddenNorUnmounted) {
  // In a mount namespace of this process alone: whatever happens, the mount ends with it.
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    GTEST_SKIP() << "making a mount namespace needs CAP_SYS_ADMIN";
  ASSERT_EQ(::mount("vpowercap", share.target.c_str(), "tmpfs", 0, "size=4k"), 0);
  EXPECT_TRUE(has(refusal(), "has a tmpfs of \"vpowercap\" mounted already"));
  const auto unmounted = unmount_share({"vpowercap", share.target}, false);
  ASSERT_FALSE(unmounted);
  EXPECT_TRUE(has(unmounted.error().message, "left as it is"));
  EXPECT_EQ(::umount2(share.target.c_str(), 0), 0);
  EXPECT_EQ(unmount_share(share, false).value_or(""), "nothing is mounted on " + share.target);
}

TEST(Modprobe, ReturnsWhateverBecomesOfIt) { modprobe("vpowercap-no-such-module"); }

}  // namespace
}  // namespace vpowercap
