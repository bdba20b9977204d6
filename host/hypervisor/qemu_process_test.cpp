// SPDX-License-Identifier: Apache-2.0
#include "host/hypervisor/qemu_process.hpp"

#include "host/hypervisor/fake_qemu.hpp"

namespace vpowercap {
namespace {

struct QemuProcess : ::testing::Test {
  FakeHost host;
  VmDescription vm{.uuid = *Uuid::parse(uuid_a), .name = "web", .state = VmState::starting};

  int error() {
    const auto found = find_qemu_process(host.pid_dir, host.proc_root, vm);
    return found ? 0 : found.error().code;
  }
};

TEST_F(QemuProcess, IsThePidFilesProcessThatCarriesTheUuid) {
  host.start_process(4711, uuid_a, 99);
  host.write_pid("web", "4711");
  ASSERT_EQ(error(), 0);
  EXPECT_EQ(vm.pid, 4711);
  EXPECT_EQ(vm.pid_start_ticks, 99u);
  EXPECT_EQ(vm.state, VmState::running);
}

TEST_F(QemuProcess, IsFoundForEveryNameThatIsAFileName) {
  host.start_process(7, uuid_a, 1);
  for (const char* name :
       {"-rf", "a b", " ", "..", "two\nlines", "quote\"'", "\xe2\x80\xaegpj", "größe"}) {
    host.write_pid(name, "7\n");
    vm.name = name;
    vm.pid = 0;
    EXPECT_EQ(error(), 0) << name;
    EXPECT_EQ(vm.pid, 7);
  }
}

TEST_F(QemuProcess, IsFoundWhereLibvirtEscapesTheName) {
  host.start_process(7, uuid_a, 1);
  host.start_process(8, uuid_b, 1);
  host.write_pid("a&lt;&gt;&amp;&quot;&apos;", "7");
  host.write_pid("b&lt;", "8");
  vm.name = "a<>&\"'";
  EXPECT_EQ(error(), 0);
  vm.name = "b&lt;";  // the file is that of the VM "b<"
  vm.pid = 0;
  EXPECT_EQ(error(), ESTALE);
  EXPECT_EQ(vm.pid, 0);
}

TEST_F(QemuProcess, ANameWithASlashIsNeverAPath) {
  host.dir.write("secret.pid", "7");
  host.start_process(7, uuid_a, 1);
  vm.name = "../secret";
  EXPECT_EQ(error(), EINVAL);
  EXPECT_EQ(vm.pid, 0);
}

TEST_F(QemuProcess, AnotherProcessWithThePidIsNotTheVm) {
  host.write_pid("web", "8");
  EXPECT_EQ(error(), ESRCH);
  host.start_process(8, uuid_b, 1);
  EXPECT_EQ(error(), ESTALE);
  host.set_arguments(8, {"qemu", "-uuid"});
  EXPECT_EQ(error(), ESTALE);
  host.set_arguments(8, {});
  EXPECT_EQ(error(), ESTALE);
  EXPECT_EQ(vm.pid, 0);
  EXPECT_EQ(vm.state, VmState::starting);
}

TEST_F(QemuProcess, OnlyTheFirstUuidOfTheCommandLineCounts) {
  host.start_process(8, uuid_b, 1);
  host.set_arguments(8, {"qemu", "-uuid", uuid_b, "-uuid", uuid_a});
  host.write_pid("web", "8");
  EXPECT_EQ(error(), ESTALE);
}

TEST_F(QemuProcess, MissingAndMalformedPidFilesAreTold) {
  EXPECT_EQ(error(), ENOENT);
  for (const char* content : {"", "x", "0", "-1", "99999999999", "12 13"}) {
    host.write_pid("web", content);
    EXPECT_EQ(error(), EPROTO) << content;
  }
}

}  // namespace
}  // namespace vpowercap
