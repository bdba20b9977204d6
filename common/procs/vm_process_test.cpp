// SPDX-License-Identifier: Apache-2.0
#include "common/procs/vm_process.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/support/fake_proc.hpp"

namespace vpowercap {
namespace {

using testing::TempDir;
using testing::write_process;
using testing::write_thread;

/// "tid vcpu run cpu" of every thread.
std::vector<std::string> shown(const Result<std::vector<ThreadWork>>& threads) {
  if (!threads) return {"error: " + threads.error().message};
  std::vector<std::string> lines;
  for (const auto& thread : *threads)
    lines.push_back(std::to_string(thread.tid) + " " +
                    (thread.vcpu ? "vcpu" + std::to_string(*thread.vcpu) : "helper") + " " +
                    std::to_string(thread.run_ns) + " cpu" + std::to_string(thread.cpu));
  return lines;
}
using Lines = std::vector<std::string>;

/// Process 100, started at tick 555, with its main thread and two vCPUs.
class FakeVm : public ::testing::Test {
 protected:
  FakeVm() {
    write_process(dir_, 100, "qemu-system-x86", 555);
    write_thread(dir_, 100, 100, "qemu-system-x86", 1000, 0);
    write_thread(dir_, 100, 103, "CPU 0/KVM", 5000, 1);
    write_thread(dir_, 100, 104, "CPU 1/KVM", 7000, 2);
  }
  VmProcess open() {
    auto process = VmProcess::open(dir_.path(), 100, 555);
    if (!process) throw std::runtime_error(process.error().message);
    return std::move(*process);
  }
  TempDir dir_;
};

TEST_F(FakeVm, TellsVcpusFromHelpersWithTheirWorkAndCpu) {
  auto process = open();
  EXPECT_EQ(shown(process.sample()),
            (Lines{"100 helper 1000 cpu0", "103 vcpu0 5000 cpu1", "104 vcpu1 7000 cpu2"}));
  write_thread(dir_, 100, 103, "CPU 0/KVM", 5600, 3);
  EXPECT_EQ(shown(process.sample()).at(1), "103 vcpu0 5600 cpu3");
  EXPECT_TRUE(process.take_problems().empty());
}

TEST_F(FakeVm, FindsThreadsThatBeginLater) {
  auto process = open();
  EXPECT_EQ(process.sample()->size(), 3u);
  write_thread(dir_, 100, 99, "vhost-100", 3, 0);
  write_thread(dir_, 100, 105, "CPU 2/TCG", 8, 0);
  EXPECT_EQ(shown(process.sample()),
            (Lines{"99 helper 3 cpu0", "100 helper 1000 cpu0", "103 vcpu0 5000 cpu1",
                   "104 vcpu1 7000 cpu2", "105 vcpu2 8 cpu0"}));
}

TEST_F(FakeVm, ANameGivenAfterTheStartIsSeen) {
  write_thread(dir_, 100, 105, "qemu-system-x86", 1, 0);
  auto process = open();
  EXPECT_EQ(shown(process.sample()).at(3), "105 helper 1 cpu0");
  write_thread(dir_, 100, 105, "CPU 2/KVM", 2, 0);
  EXPECT_EQ(shown(process.sample()).at(3), "105 vcpu2 2 cpu0");
}

TEST_F(FakeVm, KeepsTheWorkOfThreadsThatEnded) {
  auto process = open();
  ASSERT_TRUE(process.sample());
  EXPECT_EQ(process.ended_ns(), 0u);
  dir_.remove("100/task/104");
  EXPECT_EQ(process.sample()->size(), 2u);
  EXPECT_EQ(process.ended_ns(), 7000u);
  ASSERT_TRUE(process.sample());
  EXPECT_EQ(process.ended_ns(), 7000u);
  write_thread(dir_, 100, 104, "CPU 1/KVM", 1, 2);
  EXPECT_EQ(shown(process.sample()).at(2), "104 vcpu1 1 cpu2");
  EXPECT_EQ(process.ended_ns(), 7000u);
}

TEST_F(FakeVm, OneBadThreadLosesNeitherTheOthersNorItsOwnWork) {
  auto process = open();
  ASSERT_TRUE(process.sample());
  const std::string path = dir_.path("100/task/103/schedstat");
  for (const char* text :
       {"", "\n", "5000 1 1", "abc 1 1\n", "18446744073709551616 1 1\n", "-1 0 0\n"}) {
    dir_.write("100/task/103/schedstat", text);
    EXPECT_EQ(shown(process.sample()),
              (Lines{"100 helper 1000 cpu0", "103 vcpu0 5000 cpu1", "104 vcpu1 7000 cpu2"}));
    const auto problems = process.take_problems();
    ASSERT_EQ(problems.size(), 1u) << text;
    EXPECT_NE(problems[0].message.find(path), std::string::npos) << problems[0].message;
    ASSERT_TRUE(process.sample());
    EXPECT_TRUE(process.take_problems().empty()) << "an outage is told once";
    dir_.write("100/task/103/schedstat", "5000 1 1\n");
    ASSERT_TRUE(process.sample());
  }
}

TEST_F(FakeVm, ABadThreadNeverReadIsLeftOut) {
  dir_.write("100/task/103/stat", "103 (CPU 0/KVM S 1 2 3\n");
  dir_.remove("100/task/104/schedstat");
  dir_.make_directory("100/task/105");
  auto process = open();
  EXPECT_EQ(shown(process.sample()), Lines{"100 helper 1000 cpu0"});
  const auto problems = process.take_problems();
  ASSERT_EQ(problems.size(), 3u);
  EXPECT_NE(problems[0].message.find(dir_.path("100/task/103/stat")), std::string::npos);
  EXPECT_NE(problems[1].message.find(dir_.path("100/task/104/schedstat")), std::string::npos);
  EXPECT_NE(problems[2].message.find(dir_.path("100/task/105/schedstat")), std::string::npos);
}

TEST_F(FakeVm, ABadStatKeepsTheWorkUntilItIsGoodAgain) {
  auto process = open();
  ASSERT_TRUE(process.sample());
  write_thread(dir_, 100, 103, "CPU 0/KVM", 6000, 3);
  dir_.write("100/task/103/stat", "103 (CPU 0/KVM) S 1\n");
  EXPECT_EQ(shown(process.sample()).at(1), "103 vcpu0 5000 cpu1");
  const auto problems = process.take_problems();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].message.find(dir_.path("100/task/103/stat")), std::string::npos);
  write_thread(dir_, 100, 103, "CPU 0/KVM", 6000, 3);
  EXPECT_EQ(shown(process.sample()).at(1), "103 vcpu0 6000 cpu3");
}

TEST_F(FakeVm, WorkNeverGoesBack) {
  auto process = open();
  ASSERT_TRUE(process.sample());
  write_thread(dir_, 100, 103, "CPU 0/KVM", 4000, 1);
  EXPECT_EQ(shown(process.sample()).at(1), "103 vcpu0 5000 cpu1");
}

TEST_F(FakeVm, AGoneProcessIsEsrch) {
  auto process = open();
  ASSERT_TRUE(process.sample());
  dir_.remove("100");
  EXPECT_EQ(process.sample().error().code, ESRCH);
  EXPECT_EQ(VmProcess::open(dir_.path(), 100, 555).error().code, ESRCH);
}

TEST_F(FakeVm, AReusedPidIsEsrch) {
  const auto process = VmProcess::open(dir_.path(), 100, 554);
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().code, ESRCH);
  EXPECT_NE(process.error().message.find("reused"), std::string::npos);
}

TEST_F(FakeVm, AMalformedStatNamesItsFile) {
  EXPECT_EQ(process_start_ticks(dir_.path(), 100), 555u);
  EXPECT_EQ(process_start_ticks(dir_.path(), 101).error().code, ESRCH);
  for (const char* text : {"", "100 (qemu) S 1 2\n", "100 qemu S\n"}) {
    dir_.write("100/stat", text);
    const auto ticks = process_start_ticks(dir_.path(), 100);
    ASSERT_FALSE(ticks);
    EXPECT_EQ(ticks.error().code, EPROTO);
    EXPECT_NE(ticks.error().message.find(dir_.path("100/stat")), std::string::npos);
    EXPECT_EQ(VmProcess::open(dir_.path(), 100, 555).error().code, EPROTO);
  }
}

TEST_F(FakeVm, ArgumentsAreSplitAtTheirZeroBytes) {
  using namespace std::string_literals;
  dir_.write("100/cmdline", "qemu\0-name\0guest=a b\nc\0\0-x\0"s);
  EXPECT_EQ(process_arguments(dir_.path(), 100), (Lines{"qemu", "-name", "guest=a b\nc", "", "-x"}));
  dir_.write("100/cmdline", "retitled without an end");
  EXPECT_EQ(process_arguments(dir_.path(), 100), Lines{"retitled without an end"});
  dir_.write("100/cmdline", "");
  EXPECT_EQ(process_arguments(dir_.path(), 100), Lines{});
  EXPECT_EQ(process_arguments(dir_.path(), 101).error().code, ESRCH);
}

TEST_F(FakeVm, AThreadThatGetsAnUsedTidIsANewOne) {
  auto process = open();
  const auto serial = process.sample()->at(2).serial;
  EXPECT_EQ(process.sample()->at(2).serial, serial);
  dir_.write("100/task/104/schedstat", "9000 1 1\n");
  dir_.write("100/task/104/stat", testing::stat_line(104, "CPU 1/KVM", 777, 2));
  const auto threads = process.sample();
  EXPECT_EQ(threads->at(2).run_ns, 9000u);
  EXPECT_NE(threads->at(2).serial, serial);
  EXPECT_EQ(process.ended_ns(), 7000u);
}

TEST_F(FakeVm, AThreadThatSeemedToHaveEndedCountsOnce) {
  auto process = open();
  ASSERT_TRUE(process.sample());
  dir_.write("100/task/104/schedstat", "9000 1 1\n");
  dir_.write("100/task/104/stat", testing::stat_line(104, "CPU 1/KVM", 777, 2));
  const auto task = dir_.path() + "/100/task/104";
  std::filesystem::rename(task, dir_.path() + "/elsewhere");
  std::filesystem::create_symlink("nowhere", task);  // listed, and not there
  EXPECT_EQ(shown(process.sample()).at(2), "104 vcpu1 7000 cpu2");
  EXPECT_EQ(process.ended_ns(), 0u);
  std::filesystem::remove(task);
  write_thread(dir_, 100, 104, "CPU 1/KVM", 7500, 2);
  EXPECT_EQ(shown(process.sample()).at(2), "104 vcpu1 7500 cpu2");
  EXPECT_EQ(process.ended_ns(), 0u);
  dir_.remove("100/task/104");
  EXPECT_EQ(process.sample()->size(), 2u);
  EXPECT_EQ(process.ended_ns(), 7500u);
}

TEST_F(FakeVm, ADeadLeaderThatNobodyReapedIsEsrchAndItsTotalStays) {
  auto process = open();
  ASSERT_TRUE(process.sample());
  EXPECT_EQ(process.total_ns(), 0u);
  for (const char* tid : {"103", "104"}) dir_.remove(std::string("100/task/") + tid);
  EXPECT_TRUE(process.sample()) << "one thread that lives";
  std::string line = testing::stat_line(100, "qemu) Z (x", 555, 0);
  line.replace(line.rfind(") S") + 2, 1, "Z");
  std::size_t at = line.rfind(") Z") + 4;  // field 4
  for (int field = 4; field < 14; ++field) at = line.find(' ', at) + 1;
  line.replace(at, 3, "7 5");
  dir_.write("100/stat", line);
  EXPECT_EQ(process.sample().error().code, ESRCH);
  EXPECT_EQ(process.total_ns(),
            12 * static_cast<std::uint64_t>(1'000'000'000 / ::sysconf(_SC_CLK_TCK)));
  EXPECT_EQ(process.exit_fd(), -1) << "a PID of a made-up tree is none of this machine's";
}

TEST(VmProcess, TellsTheEndOfARealProcessBeforeItIsReaped) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  const auto ticks = process_start_ticks("/proc", child);
  ASSERT_TRUE(ticks);
  auto process = VmProcess::open("/proc", child, *ticks);
  ASSERT_TRUE(process) << process.error().message;
  pollfd event{process->exit_fd(), POLLIN, 0};
  ASSERT_GE(event.fd, 0);
  EXPECT_EQ(::poll(&event, 1, 0), 0);
  ::kill(child, SIGKILL);
  EXPECT_EQ(::poll(&event, 1, -1), 1);
  EXPECT_EQ(process->sample().error().code, ESRCH);
  EXPECT_TRUE(process->total_ns());
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(process->total_ns().error().code, ESRCH);
}

TEST(VmProcess, SeesARealThreadWorkAndEnd) {
  const auto ticks = process_start_ticks("/proc", ::getpid());
  ASSERT_TRUE(ticks) << ticks.error().message;
  auto process = VmProcess::open("/proc", ::getpid(), *ticks);
  ASSERT_TRUE(process) << process.error().message;

  std::atomic<bool> named{false};
  std::atomic<bool> stop{false};
  std::thread vcpu([&] {
    ::pthread_setname_np(::pthread_self(), "CPU 0/TCG");
    named = true;
    while (!stop) {
    }
  });
  while (!named) std::this_thread::yield();
  const auto work_of_vcpu = [&] {
    std::uint64_t run_ns = 0;
    const auto threads = process->sample();
    for (const auto& thread : threads.value())
      if (thread.vcpu == 0u) run_ns = thread.run_ns;
    return run_ns;
  };
  // Waits, however long, for 50 ms of work to show: a thread whose work does not grow never ends this.
  const std::uint64_t before = work_of_vcpu();
  std::uint64_t after = before;
  while (after < before + 50'000'000) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    after = work_of_vcpu();
  }
  stop = true;
  vcpu.join();
  // join() may return a moment before the kernel takes the thread off the list.
  while (work_of_vcpu() != 0) std::this_thread::yield();
  EXPECT_GE(process->ended_ns(), after);
  EXPECT_TRUE(process->take_problems().empty());
}

}  // namespace
}  // namespace vpowercap
