// SPDX-License-Identifier: Apache-2.0
#include "common/procs/helpers.hpp"

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::string_literals;

/// QEMU 100 of domain 1-web and QEMU 200 of domain 2-web-fs0.
class Helpers : public ::testing::Test {
 protected:
  Helpers() {
    qemu(100, "1-web");
    qemu(200, "2-web-fs0");
  }
  void qemu(int pid, const std::string& name) {
    process(pid, "qemu-system-x86", 1, pid);
    dir_.write("proc/" + std::to_string(pid) + "/cmdline",
               "qemu\0-smbios\0serial=/domain-9-x/master-key.aes\0-object\0{\"file\":\"/l/domain-"s +
                   name + "/master-key.aes\"}\0"s);
  }
  void process(int pid, const std::string& comm, int parent, int start, bool kernel = false) {
    std::string line = std::to_string(pid) + " (" + comm + ") S " + std::to_string(parent);
    for (int field = 5; field <= 52; ++field)
      line += field == 22 ? " " + std::to_string(start) : field == 9 && kernel ? " 2129984" : " 0";
    dir_.write("proc/" + std::to_string(pid) + "/stat", line + "\n");
  }
  void pid_file(const std::string& name, int pid) {
    dir_.write("pids/" + name, std::to_string(pid) + "\n");
  }
  using Found = std::map<std::int64_t, std::vector<ProcessId>>;
  Found find() {
    auto found = find_helpers(dir_.path("proc"), dir_.path("pids"), {100, 200});
    EXPECT_FALSE(found.problem) << found.problem->message;
    return std::move(found.of);
  }
  std::string problem() {
    const auto found = find_helpers(dir_.path("proc"), dir_.path("pids"), {100, 200});
    return found.problem ? found.problem->message : "";
  }
  testing::TempDir dir_;
};

TEST_F(Helpers, VhostKernelThreadsBelongToTheirQemu) {
  process(31, "vhost-100", 2, 7, true);
  process(32, "vhost-999", 2, 8, true);
  process(33, "vhost-200", 1, 9);  // no kernel thread: anybody can call itself so
  EXPECT_EQ(find(), (Found{{100, {{31, 7}}}}));
}

TEST_F(Helpers, PidFilesOfLibvirtNameProcessesAndTheirChildren) {
  process(41, "virtiofsd", 1, 11);
  process(42, "virtiofsd", 41, 12);
  process(43, "swtpm", 1, 13);
  process(44, "passt.avx2", 1, 14);
  pid_file("1-web-fs0-fs.pid", 41);
  pid_file("swtpm/2-web-fs0-swtpm.pid", 43);
  pid_file("passt/1-web-net0-passt.pid", 44);
  EXPECT_EQ(find(), (Found{{100, {{41, 11}, {42, 12}, {44, 14}}}, {200, {{43, 13}}}}));
}

TEST_F(Helpers, StrangersAreNotHelpers) {
  process(41, "sshd", 1, 11);
  process(43, "virtiofsd", 1, 13);
  pid_file("1-web-fs0-fs.pid", 41);   // stale, its PID given to another
  pid_file("1-web-fs1-fs.pid", 77);   // stale
  pid_file("1-web-fs2-fs.pid", 200);  // another VM
  pid_file("9-x-fs0-fs.pid", 43);     // not a VM of ours, whatever the serial number says
  pid_file("11-web-fs0-fs.pid", 43);
  pid_file("1-web-fs0-fs.log", 43);
  EXPECT_EQ(find(), Found{});
}

TEST_F(Helpers, AProcessIsOneVmsOnly) {
  process(41, "virtiofsd", 1, 11);
  pid_file("1-web-fs0-fs.pid", 41);
  pid_file("2-web-fs0-fs0-fs.pid", 41);
  EXPECT_EQ(find(), (Found{{100, {{41, 11}}}}));
}

TEST_F(Helpers, NothingToReadIsNoHelpers) {
  EXPECT_EQ(find_helpers(dir_.path("none"), dir_.path("none"), {100}).of, Found{});
  dir_.write("proc/100/cmdline", "qemu\0-name\0web\0"s);
  dir_.remove("proc/200/cmdline");
  process(41, "virtiofsd", 1, 11);
  pid_file("1-web-fs0-fs.pid", 41);
  EXPECT_EQ(find(), Found{});
}

TEST_F(Helpers, AFileThatCannotBeReadIsToldByName) {
  dir_.write("proc/41/stat", "41 (virtiofsd) S\n");
  EXPECT_EQ(problem(), dir_.path("proc/41/stat") + " has no field 4");
  dir_.remove("proc/41");
  dir_.write("proc/100/cmdline", "qemu\0-object\0{\"fi"s);
  EXPECT_EQ(problem(), dir_.path("proc/100/cmdline") + " is cut off");
  dir_.write("proc/100/cmdline", "");  // it has ended and is not reaped
  EXPECT_EQ(problem(), "");
  process(43, "virtiofsd", 1, 13);
  dir_.write("pids/1-web-fs3-fs.pid", "43x\n");
  EXPECT_EQ(problem(), "");  // 100 is no QEMU of libvirt any more
  qemu(100, "1-web");
  EXPECT_EQ(problem(), dir_.path("pids/1-web-fs3-fs.pid") + " holds no process number");
  dir_.write("pids/1-web-fs3-fs.pid", "");  // libvirt is writing it
  EXPECT_EQ(problem(), "");
  dir_.write("pids/2-web-fs0-x-fs.pid/in the way", "");
  EXPECT_NE(problem().find("2-web-fs0-x-fs.pid"), std::string::npos);
}

}  // namespace
}  // namespace vpowercap
