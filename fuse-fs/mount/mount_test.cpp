// SPDX-License-Identifier: Apache-2.0
// The two programs together, with a guest's view of what they do.
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <future>
#include <map>

#include "fuse-fs/journal/journal.hpp"
#include "tests/support/guest_view.hpp"
#include "tests/support/mount_program.hpp"

namespace vpowercap {
namespace {

namespace fs = std::filesystem;
using testing::eventually;
using testing::GuestView;
using testing::known_vm;
using testing::MountProgram;
using testing::unknown_vm;

constexpr auto energy = testing::energy_file;

TEST_F(MountProgram, ConnectsTheShareOfEachVmToItsTree) {
  publish(known_vm, 5'000'000);
  start();
  EXPECT_TRUE(reads(known_vm, "5000000\n"));
  EXPECT_EQ(read(known_vm, "intel-rapl/intel-rapl:1/intel-rapl:1:0/name"), "core\n");
  publish(unknown_vm, 6'000'000);
  EXPECT_TRUE(reads(unknown_vm, "6000000\n"));
  EXPECT_EQ(fs::read_symlink(paths_.source(known_vm) + "/intel-rapl:1:0"),
            "intel-rapl/intel-rapl:1/intel-rapl:1:0");
  EXPECT_EQ(::open((paths_.source(known_vm) + "/intel-rapl:0/enabled").c_str(), O_RDWR), -1);
  EXPECT_EQ(errno, EROFS);
}

TEST_F(MountProgram, TheServerHasNoPrivileges) {
  publish(known_vm, 5'000'000);
  start();
  ASSERT_TRUE(reads(known_vm, "5000000\n"));
  const auto status =
      read_file_at(AT_FDCWD, "/proc/" + std::to_string(server_pid()) + "/status").value();
  EXPECT_NE(status.find("\nUid:\t65534\t65534\t65534\t65534\n"), std::string::npos) << status;
  EXPECT_NE(status.find("\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"), std::string::npos);
  EXPECT_NE(status.find("\nNoNewPrivs:\t1\n"), std::string::npos) << status;
  if (::prctl(PR_CAPBSET_READ, CAP_SETPCAP) == 1) {
    EXPECT_NE(status.find("\nCapBnd:\t0000000000000000\n"), std::string::npos) << status;
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // whose calls are not on its list
  EXPECT_NE(status.find("\nSeccomp:\t2\n"), std::string::npos) << status;
#endif
}

TEST_F(MountProgram, AHooksDirectoryGetsATreeThatFillsWhenTheVmIsKnown) {
  forget_after("60");
  start();
  ASSERT_TRUE(prepare_share_base(paths_));
  ASSERT_TRUE(make_vm_share(paths_, unknown_vm));
  GuestView guest(paths_.source(unknown_vm));
  EXPECT_TRUE(eventually([&] { return guest.read("intel-rapl/enabled") == "1\n"; }));
  EXPECT_EQ(guest.read(energy), "error 2");
  publish(unknown_vm, 7'000'000);
  EXPECT_TRUE(eventually([&] { return guest.read(energy) == "7000000\n"; }));
}

TEST_F(MountProgram, TotalLossHealsInTheSamePlace) {
  publish(known_vm, 5'000'000);
  start();
  ASSERT_TRUE(reads(known_vm, "5000000\n"));
  GuestView guest(paths_.source(known_vm));
  EXPECT_EQ(guest.read(energy), "5000000\n");
  const auto server = server_pid();
  ASSERT_GT(server, 0);
  kill_helper(SIGKILL);
  EXPECT_TRUE(eventually([&] { return ::kill(server, 0) != 0; })) << "the server outlived its helper";
  EXPECT_EQ(guest.read(energy).substr(0, 5), "error");
  publish(known_vm, 6'000'000);
  start();
  EXPECT_TRUE(reads(known_vm, "6000000\n"));
  EXPECT_TRUE(eventually([&] { return guest.read(energy) == "6000000\n"; })) << guest.read(energy);
  EXPECT_EQ(fuse_mounts(), 3u) << "dead mounts were left";
}

TEST_F(MountProgram, AKilledServerIsReplaced) {
  publish(known_vm, 5'000'000);
  start();
  ASSERT_TRUE(reads(known_vm, "5000000\n"));
  GuestView guest(paths_.source(known_vm));
  for (std::uint64_t value = 6'000'000; value < 9'000'000; value += 1'000'000) {
    const auto server = server_pid();
    ASSERT_GT(server, 0);
    ::kill(server, SIGKILL);
    publish(known_vm, value);
    EXPECT_TRUE(eventually([&] { return guest.read(energy) == std::to_string(value) + "\n"; }));
    EXPECT_NE(server_pid(), server);
  }
  EXPECT_EQ(fuse_mounts(), 3u);
}

TEST_F(MountProgram, ALostMountOrBindIsMadeAnew) {
  publish(known_vm, 5'000'000);
  start();
  ASSERT_TRUE(reads(known_vm, "5000000\n"));
  ASSERT_EQ(
      ::umount2((paths_.share_rw() + "/" + known_vm.to_string() + "/intel-rapl").c_str(), MNT_DETACH),
      0);
  EXPECT_TRUE(reads(known_vm, "5000000\n"));
  ASSERT_EQ(::umount2(paths_.fs().c_str(), MNT_DETACH), 0);
  EXPECT_TRUE(eventually([&] { return fuse_mounts() == 3; }));
  EXPECT_TRUE(reads(known_vm, "5000000\n"));
}

TEST_F(MountProgram, AnAbortedMountIsMadeAnew) {
  publish(known_vm, 5'000'000);
  start();
  ASSERT_TRUE(reads(known_vm, "5000000\n"));
  if (!abort_connection()) GTEST_SKIP() << "the kernel shows no FUSE connections (fusectl)";
  EXPECT_TRUE(reads(known_vm, "5000000\n"));
  EXPECT_EQ(fuse_mounts(), 3u);
}

TEST_F(MountProgram, ServersThatOnlyEndLetTheirReadersGo) {
  const std::string good = std::getenv("VPOWERCAP_FS");
  install_server(good);
  command_.insert(command_.end(), {"--longest-delay", "50"});
  publish(known_vm, 5'000'000);
  start();
  ASSERT_TRUE(reads(known_vm, "5000000\n"));
  const UniqueFd kept(::open((paths_.source(known_vm) + "/" + energy).c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(kept);
  install_server(server_that_exits_with(1));
  ::kill(server_pid(), SIGKILL);
  auto read = std::async(std::launch::async, [&] {
    char byte = 0;
    return ::pread(kept.get(), &byte, 1, 0);
  });
  EXPECT_TRUE(eventually([&] { return read.wait_for(Nanoseconds(0)) == std::future_status::ready; }));
  EXPECT_TRUE(helper_.running() && !helper_.reap());
  install_server(good);
  EXPECT_TRUE(reads(known_vm, "5000000\n"));
  kill_helper(SIGKILL);  // where the reader still waits, it does no longer
}

/// Ending would help nobody: the next vpowercap-mount would be the same.
TEST_F(MountProgram, AServerThatNeverTookTheJournalIsTriedOn) {
  const std::string good = std::getenv("VPOWERCAP_FS");
  install_server(server_that_exits_with(exit_journal_refused));
  command_.insert(command_.end(), {"--longest-delay", "20"});
  publish(known_vm, 5'000'000);
  start();
  std::this_thread::sleep_for(std::chrono::seconds(1));  // some thirty servers
  EXPECT_TRUE(helper_.running() && !helper_.reap());
  install_server(good);
  EXPECT_TRUE(reads(known_vm, "5000000\n"));
}

TEST_F(MountProgram, LeavingKeepsThePlainDirectoriesAlone) {
  publish(known_vm, 5'000'000);
  start();
  ASSERT_TRUE(reads(known_vm, "5000000\n"));
  GuestView guest(paths_.source(known_vm));
  ::kill(helper_.pid(), SIGHUP);
  EXPECT_TRUE(reads(known_vm, "5000000\n"));
  const auto server = server_pid();
  kill_helper(SIGTERM);
  EXPECT_NE(::kill(server, 0), 0);
  EXPECT_EQ(fuse_mounts(), 0u);
  EXPECT_EQ(guest.read(energy), "error 2");
  EXPECT_TRUE(fs::is_empty(paths_.source(known_vm) + "/intel-rapl"));
  EXPECT_TRUE(fs::is_symlink(paths_.source(known_vm) + "/intel-rapl:0"));
}

TEST_F(MountProgram, AHungServerIsReplacedAndHoldsUpNobody) {
  publish(known_vm, 5'000'000);
  start();
  ASSERT_TRUE(reads(known_vm, "5000000\n"));
  const auto hung = server_pid();
  ::kill(hung, SIGSTOP);
  publish(unknown_vm, 6'000'000);  // its bind is what is not answered
  EXPECT_TRUE(eventually([&] { return fs::exists(paths_.source(unknown_vm)); }));
  EXPECT_TRUE(eventually([&] { return ::kill(hung, 0) != 0; }));
  EXPECT_TRUE(reads(unknown_vm, "6000000\n"));
  EXPECT_TRUE(reads(known_vm, "5000000\n"));
  ::kill(server_pid(), SIGSTOP);
  kill_helper(SIGTERM);
  EXPECT_EQ(fuse_mounts(), 0u);
}

TEST_F(MountProgram, AHungServerIsNoticedWithoutANewVm) {
  publish(known_vm, 5'000'000);
  start();
  ASSERT_TRUE(reads(known_vm, "5000000\n"));
  const auto hung = server_pid();
  ::kill(hung, SIGSTOP);
  EXPECT_TRUE(eventually([&] { return ::kill(hung, 0) != 0; }));
  EXPECT_TRUE(reads(known_vm, "5000000\n"));
}

/// A UUID for each number; they sort before those of the other VMs here.
Uuid numbered_vm(int number) {
  std::string text = "00000000-0000-4000-8000-000000000000";
  const auto digits = std::to_string(number);
  text.replace(text.size() - digits.size(), digits.size(), digits);
  return Uuid::parse(text).value();
}

TEST_F(MountProgram, ManyVmsAreBoundAtOnce) {
  constexpr int count = 70;  // more than one child binds, or two
  *(std::ranges::find(command_, "--interval") + 1) = "60000";
  for (int i = 1; i <= count; ++i) publish(numbered_vm(i), 5'000'000);
  start();
  EXPECT_TRUE(eventually([&] { return fuse_mounts() == 1 + 2 * count; })) << fuse_mounts();
}

TEST_F(MountProgram, TreesThatCannotBeBoundHoldUpNoOthersAndFillNoLog) {
  constexpr int count = 70;
  *(std::ranges::find(command_, "--log-level") + 1) = "warning";
  forget_after("600");
  ASSERT_TRUE(prepare_share_base(paths_));
  for (int i = 1; i <= count; ++i) {
    ASSERT_TRUE(make_vm_share(paths_, numbered_vm(i)));
    ASSERT_TRUE(fs::remove(paths_.share_rw() + "/" + numbered_vm(i).to_string() + "/intel-rapl"));
  }
  publish(known_vm, 5'000'000);
  const auto log = dir_->path() + "/log";
  const std::vector<std::string> shell{"/bin/sh", "-c", "exec \"$@\" 2>" + log, "sh"};
  command_.insert(command_.begin(), shell.begin(), shell.end());
  start();
  EXPECT_TRUE(reads(known_vm, "5000000\n"));
  std::this_thread::sleep_for(std::chrono::seconds(1));  // 50 looks at what is missing
  std::map<std::string, int> said;
  std::ifstream lines(log);
  for (std::string line; std::getline(lines, line);)
    if (const auto at = line.find("cannot bind"); at != std::string::npos) ++said[line.substr(at)];
  EXPECT_FALSE(said.empty());
  for (const auto& [line, times] : said) EXPECT_EQ(times, 1) << line;
}

TEST_F(MountProgram, ForgetsAVmThatTheLedgerDropped) {
  publish(known_vm, 5'000'000);
  publish(unknown_vm, 6'000'000);
  start();
  ASSERT_TRUE(reads(known_vm, "5000000\n"));
  ASSERT_TRUE(reads(unknown_vm, "6000000\n"));
  writer_->drop_vm(known_vm);
  EXPECT_TRUE(eventually([&] { return !fs::exists(paths_.source(known_vm)); }));
  EXPECT_TRUE(reads(unknown_vm, "6000000\n"));
  publish(known_vm, 7'000'000);
  EXPECT_TRUE(reads(known_vm, "7000000\n"));
}

TEST_F(MountProgram, ForgetsAVmThatTheLedgerNeverKnew) {
  ASSERT_TRUE(prepare_share_base(paths_));
  ASSERT_TRUE(make_vm_share(paths_, unknown_vm));
  start();
  EXPECT_TRUE(eventually([&] { return !fs::exists(paths_.source(unknown_vm)); }));
  EXPECT_TRUE(eventually([&] { return fuse_mounts() == 1; }));
}

TEST_F(MountProgram, KeepsTheShareOfAVmThatAProcessNames) {
  Child qemu;
  ASSERT_TRUE(qemu.start_program(
      {"/bin/sh", "-c", "while :; do sleep 1; done", "-uuid", unknown_vm.to_string()}, {},
      Nanoseconds(0)));
  ASSERT_TRUE(prepare_share_base(paths_));
  for (const auto& vm : {known_vm, unknown_vm}) ASSERT_TRUE(make_vm_share(paths_, vm));
  start();
  EXPECT_TRUE(eventually([&] { return !fs::exists(paths_.source(known_vm)); }));
  EXPECT_TRUE(fs::exists(paths_.source(unknown_vm)));
  qemu.end(std::chrono::seconds(0));
  EXPECT_TRUE(eventually([&] { return !fs::exists(paths_.source(unknown_vm)); }));
}

TEST_F(MountProgram, VmsCanStartThoughNoServerDoes) {
  const auto socket_path = dir_->path() + "/notify";
  const UniqueFd notify(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(notify.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", socket_path.c_str(), 1);
  *(std::ranges::find(command_, "--server") + 1) = "/nonexistent/server";
  publish(known_vm, 5'000'000);
  start();
  ::unsetenv("NOTIFY_SOCKET");
  EXPECT_TRUE(eventually([&] { return fs::is_symlink(paths_.source(known_vm) + "/intel-rapl:0"); }));
  char message[64];
  const auto is_ready = [&] {
    const auto size = ::recv(notify.get(), message, sizeof message, MSG_DONTWAIT);
    return size > 0 && std::string_view(message, static_cast<std::size_t>(size)).starts_with("READY=1");
  };
  EXPECT_TRUE(eventually(is_ready)) << "the service never counts as started";
  EXPECT_TRUE(fs::is_empty(paths_.source(known_vm) + "/intel-rapl"));
  kill_helper(SIGTERM);
}

TEST_F(MountProgram, ASecondOneIsRefused) {
  start();
  ASSERT_TRUE(eventually([&] { return fuse_mounts() == 1; }));
  Child second;
  ASSERT_TRUE(second.start_program(command_, {}, Nanoseconds(0)));
  std::optional<Ending> ended;
  EXPECT_TRUE(eventually([&] { return (ended = second.reap()).has_value(); }));
  EXPECT_EQ(ended->text(), "exited with 1");
  EXPECT_EQ(fuse_mounts(), 1u);
}

}  // namespace
}  // namespace vpowercap
