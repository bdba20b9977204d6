// SPDX-License-Identifier: Apache-2.0
// Real processes on this machine: 3 to 1 of CPU time must come out as 3 to 1 of dynamic energy.
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <set>
#include <thread>

#include "common/base/unique_fd.hpp"
#include "common/ledger/reader.hpp"
#include "common/procs/cpus.hpp"
#include "common/procs/vm_process.hpp"
#include "host/rapl/model_source.hpp"
#include "host/sampler/sampler.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

Nanoseconds clock_now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

/// A burner process; ends with the object.
class Burner {
 public:
  Burner(int slice_ms, int cpu) {
    int to[2];
    int from[2];
    if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(to[0], STDIN_FILENO);
      ::dup2(from[1], STDOUT_FILENO);
      ::execl(VPOWERCAP_BURNER, "burner", std::to_string(slice_ms).c_str(), std::to_string(cpu).c_str(),
              nullptr);
      ::_exit(127);
    }
    ::close(to[0]);
    ::close(from[1]);
    to_.reset(to[1]);
    from_.reset(from[0]);
  }
  ~Burner() {
    to_.reset();
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
  }
  Burner(const Burner&) = delete;
  Burner& operator=(const Burner&) = delete;

  [[nodiscard]] bool go() const { return ::write(to_.get(), "b", 1) == 1; }
  [[nodiscard]] bool wait() const {
    char byte = 0;
    return ::read(from_.get(), &byte, 1) == 1;
  }
  [[nodiscard]] VmDescription describe(std::uint8_t number) const {
    VmDescription vm{.name = "vm", .pid = pid_};
    vm.uuid.bytes[15] = number;
    vm.pid_start_ticks = process_start_ticks("/proc", pid_).value_or(0);
    return vm;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd to_;
  UniqueFd from_;
};

std::vector<int> two_cpus() {
  cpu_set_t set;
  ::sched_getaffinity(0, sizeof set, &set);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) cpus.push_back(cpu);
  return {cpus.front(), cpus.back()};
}

TEST(RealProcesses, ThreeToOneOfCpuTimeIsThreeToOneOfDynamicEnergy) {
  const testing::TempDir dir;
  const SystemClock clock;
  const auto cpus = two_cpus();
  const Burner big(75, cpus[0]);
  const Burner small(25, cpus[1]);
  ASSERT_TRUE(big.wait() && small.wait()) << "cannot start " << VPOWERCAP_BURNER;

  std::set<std::uint32_t> packages;
  const auto map = read_cpu_map("/sys");
  ASSERT_TRUE(map) << map.error().message;
  for (const auto& [cpu, package] : map->package_of) packages.insert(package);
  SamplerOptions options;
  options.account.idle_uw[0] = 20'000'000 / packages.size();
  auto ledger = LedgerWriter::open({dir.path("ledger"), "", 60s, 1s});
  ASSERT_TRUE(ledger) << ledger.error().message;
  std::vector<std::string> problems;
  Sampler sampler(
      options,
      std::make_unique<ModelSource>(ModelPower{20'000'000, 80'000'000}, clock, "/proc", "/sys"),
      std::move(*ledger), [&](const Error& error) { problems.push_back(error.message); });
  const auto tick = [&] { sampler.tick(clock.now(), clock_now(CLOCK_BOOTTIME)); };
  sampler.set_vms({big.describe(1), small.describe(2)});
  tick();

  // The two go in lockstep, so that their shares stay 3 to 1 however busy the machine is; the sampler
  // ticks whenever its second is over.
  std::atomic<bool> done = false;
  std::thread ticking([&] {
    for (auto next = clock.now() + 1s; !done; next += 1s) {
      while (!done && clock.now() < next) std::this_thread::sleep_for(10ms);
      tick();
    }
  });
  bool alive = true;
  for (const auto end = clock.now() + 30s; alive && clock.now() < end;)
    alive = big.go() && small.go() && big.wait() && small.wait();
  done = true;
  ticking.join();
  tick();
  ASSERT_TRUE(alive);
  EXPECT_EQ(problems, std::vector<std::string>{});

  const auto reader = LedgerReader::open(dir.path("ledger"));
  ASSERT_TRUE(reader);
  std::vector<double> dynamic_j;
  for (const auto& vm : reader->vms()) {
    dynamic_j.push_back(0);
    for (std::uint32_t socket = 0; socket < vm.sockets; ++socket)
      dynamic_j.back() += static_cast<double>(vm.zone(socket, EnergyDomain::package).dynamic_uj) / 1e6;
  }
  ASSERT_EQ(dynamic_j.size(), 2u);
  EXPECT_GT(dynamic_j[1], 1.0) << "too little work to judge";
  EXPECT_NEAR(dynamic_j[0] / dynamic_j[1], 3.0, 0.03);
  RecordProperty("ratio", std::to_string(dynamic_j[0] / dynamic_j[1]));
  std::cout << dynamic_j[0] << " J and " << dynamic_j[1] << " J, ratio " << dynamic_j[0] / dynamic_j[1]
            << "\n";
}

}  // namespace
}  // namespace vpowercap
