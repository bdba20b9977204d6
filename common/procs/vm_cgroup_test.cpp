// SPDX-License-Identifier: Apache-2.0
#include "common/procs/vm_cgroup.hpp"

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using testing::TempDir;

TEST(FindVmCgroup, ClimbsToTheVmsOwnGroup) {
  const auto systemd = "0::/machine.slice/machine-qemu\\x2d3\\x2dweb.scope/libvirt/emulator\n";
  EXPECT_EQ(find_vm_cgroup(systemd, true)->path, "/machine.slice/machine-qemu\\x2d3\\x2dweb.scope");
  EXPECT_FALSE(find_vm_cgroup(systemd, false));
  const auto hybrid =
      "8:cpuset:/other\n4:cpu,cpuacct:/machine/qemu-1-a.libvirt-qemu/emulator\n"
      "1:name=systemd:/\n0::/machine/qemu-1-a.libvirt-qemu\n";
  EXPECT_EQ(find_vm_cgroup(hybrid, true)->path, "/machine/qemu-1-a.libvirt-qemu");
  EXPECT_EQ(find_vm_cgroup(hybrid, false)->path, "/machine/qemu-1-a.libvirt-qemu");
}

TEST(FindVmCgroup, TakesNoGroupThatOthersShare) {
  for (const char* text : {"", "0::/\n", "0::/user.slice/user-0.slice/session-1.scope\n", "0:/x\n",
                           "nonsense", "0::/machine.slice\n", "0::machine/a.libvirt-qemu\n",
                           "4:cpuacct:x/a.libvirt-qemu\n", "3:cpuset:/machine/a.libvirt-qemu\n"}) {
    EXPECT_FALSE(find_vm_cgroup(text, true)) << text;
    EXPECT_FALSE(find_vm_cgroup(text, false)) << text;
  }
}

TEST(VmCgroup, ReadsVersionTwoInMicroseconds) {
  for (const std::string mount : {"sys/fs/cgroup", "sys/fs/cgroup/unified"}) {
    const TempDir dir;
    dir.write("proc/9/cgroup", "0::/machine/qemu-1-a.libvirt-qemu/emulator\n");
    const auto stat = mount + "/machine/qemu-1-a.libvirt-qemu/cpu.stat";
    dir.write(stat, "usage_usec 12\nuser_usec 8\nsystem_usec 4\n");
    const auto group = VmCgroup::open(dir.path("proc"), dir.path("sys"), 9);
    ASSERT_TRUE(group) << group.error().message;
    EXPECT_EQ(group->usage_ns(), 12'000u);
    dir.write(stat, "usage_usec 15\n");
    EXPECT_EQ(group->usage_ns(), 15'000u);
    EXPECT_TRUE(group->holds("0::/machine/qemu-1-a.libvirt-qemu/vcpu0\n"));
    EXPECT_FALSE(group->holds("0::/machine/qemu-2-a.libvirt-qemu/emulator\n"));
    EXPECT_FALSE(group->holds("0::/system.slice\n"));
    for (const char* text :
         {"", "nr_periods 0\n", "usage_usec x\n", "usage_usec 18446744073709551615\n"}) {
      dir.write(stat, text);
      ASSERT_FALSE(group->usage_ns()) << text;
      EXPECT_NE(group->usage_ns().error().message.find(dir.path(stat)), std::string::npos);
    }
  }
}

TEST(VmCgroup, ReadsVersionOneInNanoseconds) {
  const TempDir dir;
  dir.write("proc/9/cgroup",
            "0::/machine/a.libvirt-qemu\n4:cpu,cpuacct:/machine/a.libvirt-qemu/emulator\n");
  dir.write("sys/fs/cgroup/machine/a.libvirt-qemu/cpu.stat", "nr_periods 0\n");
  dir.write("sys/fs/cgroup/cpuacct/machine/a.libvirt-qemu/cpuacct.usage", "777\n");
  const auto group = VmCgroup::open(dir.path("proc"), dir.path("sys"), 9);
  ASSERT_TRUE(group) << group.error().message;
  EXPECT_EQ(group->usage_ns(), 777u);
}

TEST(VmCgroup, WithoutAGroupOfItsOwnIsEnoent) {
  const TempDir dir;
  EXPECT_EQ(VmCgroup::open(dir.path("proc"), dir.path("sys"), 9).error().code, ENOENT);
  dir.write("proc/9/cgroup", "0::/user.slice\n");
  EXPECT_EQ(VmCgroup::open(dir.path("proc"), dir.path("sys"), 9).error().code, ENOENT);
  dir.write("proc/9/cgroup", "0::/machine/a.libvirt-qemu\n");
  EXPECT_EQ(VmCgroup::open(dir.path("proc"), dir.path("sys"), 9).error().code, ENOENT);
}

}  // namespace
}  // namespace vpowercap
