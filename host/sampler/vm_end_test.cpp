// SPDX-License-Identifier: Apache-2.0
// Laws of a VM's last and first moments.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "common/ledger/reader.hpp"
#include "host/sampler/fake_vm.hpp"
#include "host/sampler/sampler.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
using testing::total;

constexpr std::uint64_t ms = 1'000'000;

struct LastWork : ::testing::Test {
  testing::FakeVm fake;
  LastWork() {
    fake.process();
    fake.thread(70, "qemu-system-x86", 0);
    fake.thread(71, "CPU 0/KVM", 10 * ms, 1);
    fake.thread(72, "CPU 2/KVM", 10 * ms, 2);
  }
  VmMeter open() {
    auto meter = VmMeter::open(fake.roots(), fake.vm, std::nullopt, {0s, 100s});
    if (!meter) throw std::runtime_error(meter.error().message);
    fake.thread(71, "CPU 0/KVM", 20 * ms, 1);
    fake.thread(72, "CPU 2/KVM", 40 * ms, 2);
    meter->measure({1s, 101s});
    return std::move(*meter);
  }
  void die(char state = 'Z') const {
    fake.dir.remove("proc/70/task/71");
    fake.dir.remove("proc/70/task/72");
    fake.process(0, state);
  }
};

TEST_F(LastWork, IsReadFromTheControlGroupAndSpreadAsTheWorkBefore) {
  fake.in_group(70, fake.group);
  fake.usage_us(20'000);
  auto meter = open();
  fake.usage_us(20'000 + 40'000 + 120'000);
  fake.dir.remove("proc/70");
  const auto sample = meter.measure({400ms, 101400ms, true});
  EXPECT_TRUE(sample.has_ended);
  EXPECT_FALSE(sample.tick.gap);
  EXPECT_EQ(total(sample), 120 * ms);
  EXPECT_EQ(sample.by_cpu.at(1).socket_ns[0], 30 * ms);
  EXPECT_EQ(sample.by_cpu.at(2).socket_ns[1], 90 * ms);
  EXPECT_EQ(sample.tick.alive, 400ms);
}

TEST_F(LastWork, IsReadFromTheTotalOfAProcessNotYetReaped) {
  auto meter = open();
  die();
  fake.process(16, 'Z');
  const auto sample = meter.measure({1s, 102s});
  EXPECT_TRUE(sample.has_ended);
  EXPECT_EQ(total(sample), 100 * ms);
  EXPECT_EQ(sample.tick.alive, 500ms) << "when it ended is not known";
}

TEST_F(LastWork, FallsBackOnTheTotalWhenTheGroupCannotBeReadWhichIsAGap) {
  fake.in_group(70, fake.group);
  fake.usage_us(20'000);
  auto meter = open();
  fake.dir.write("sys/fs/cgroup" + fake.group + "/cpu.stat", "");
  die();
  fake.process(16, 'Z');
  const auto sample = meter.measure({1s, 102s});
  EXPECT_EQ(total(sample), 100 * ms);
  EXPECT_TRUE(sample.tick.gap);
}

TEST_F(LastWork, OfABirthAndDeathInOneTickIsAllOfIt) {
  fake.in_group(70, fake.group);
  fake.usage_us(20'000);
  auto meter = VmMeter::open(fake.roots(), fake.vm, std::nullopt, {500ms, 1100ms});
  ASSERT_TRUE(meter);
  fake.usage_us(70'000);
  fake.dir.remove("proc/70");
  const auto sample = meter->measure({700ms, 1300ms, true});
  EXPECT_EQ(total(sample), 70 * ms);
  EXPECT_EQ(sample.tick.alive, 300ms);
}

/// Zone whose counter a test sets.
struct OneZone final : EnergySource {
  std::uint64_t raw_uj = 0;
  Nanoseconds taken{0};
  [[nodiscard]] Method method() const override { return Method::rapl; }
  std::vector<ZoneReading> sample() override {
    return {{"intel-rapl:0", "package-0", EnergyDomain::package, 0, 262143328850, raw_uj, taken}};
  }
  std::vector<Error> take_problems() override { return {}; }
};

struct SamplerAtTheEnd : ::testing::Test {
  testing::FakeVm fake;
  OneZone* zone = nullptr;
  std::unique_ptr<Sampler> sampler;
  std::vector<std::string> problems;

  void start(const std::string& proc_root, AccountOptions account) {
    auto source = std::make_unique<OneZone>();
    zone = source.get();
    auto ledger = LedgerWriter::open({fake.dir.path("ledger"), "", 60s, 1s});
    ASSERT_TRUE(ledger) << ledger.error().message;
    SamplerOptions options{proc_root, fake.dir.path("sys"), 1s, account};
    options.libvirt_pid_dir = "";
    sampler =
        std::make_unique<Sampler>(options, std::move(source), std::move(*ledger),
                                  [this](const Error& error) { problems.push_back(error.message); });
  }
  void SetUp() override {
    for (const std::string cpu : {"0", "1"}) {
      const auto topology = "sys/devices/system/cpu/cpu" + cpu + "/topology/";
      fake.dir.write(topology + "physical_package_id", "0\n");
      fake.dir.write(topology + "thread_siblings_list", "0-1\n");
    }
    busy(0, 0);
  }
  void busy(int cpu0, int cpu1) const {
    fake.dir.write("proc/stat", "cpu 0 0 0 0\ncpu0 " + std::to_string(cpu0) + " 0 0 0\ncpu1 " +
                                    std::to_string(cpu1) + " 0 0 0\n");
  }
  void tick(Nanoseconds now, std::uint64_t raw_uj) {
    zone->raw_uj = raw_uj;
    zone->taken = now;
    sampler->tick(now, now);
  }
  VmRecord record() { return *LedgerReader::open(fake.dir.path("ledger"))->find(fake.vm.uuid); }
};

TEST_F(SamplerAtTheEnd, TheLastPartOfATickIsBookedThenTheVmStops) {
  start(fake.dir.path("proc"), {.policy = IdlePolicy::equal, .idle_uw = {{10'000'000}}});
  fake.process();
  fake.thread(70, "qemu-system-x86", 0);
  fake.in_group(70, fake.group);
  fake.usage_us(0);
  sampler->set_vms({fake.vm});
  tick(1000s, 1'000'000);
  fake.usage_us(500'000);
  fake.dir.remove("proc/70");
  sampler->set_vms({});
  sampler->attend(1000s + 250ms, 1000s + 250ms);
  EXPECT_EQ(record().state, VmState::running);
  busy(100, 0);
  tick(1001s, 31'000'000);
  EXPECT_EQ(record().state, VmState::stopped);
  EXPECT_EQ(record().work_ns, 500 * ms);
  const auto last = record();
  const auto& energy = last.zone(0, EnergyDomain::package);
  const auto& other = last.zone(1, EnergyDomain::package);
  EXPECT_EQ(energy.dynamic_uj + other.dynamic_uj, 10'000'000u) << "half of the CPU time of 20 J";
  // Of 10 J of idle energy its part of the tick; without the time of its end it is half of what passed.
  EXPECT_EQ(energy.idle_uj + other.idle_uj, 1'250'000u);
  EXPECT_TRUE(problems.empty());
  tick(1002s, 61'000'000);
  EXPECT_EQ(record().work_ns, 500 * ms);
}

TEST_F(SamplerAtTheEnd, ARestartWithinATickKeepsBothProcessesWork) {
  start(fake.dir.path("proc"), {.policy = IdlePolicy::none});
  fake.process();
  fake.thread(70, "qemu-system-x86", 0);
  fake.in_group(70, fake.group);
  fake.usage_us(0);
  sampler->set_vms({fake.vm});
  tick(1000s, 1'000'000);
  fake.usage_us(300'000);
  fake.dir.remove("proc/70");
  fake.thread(80, "qemu-system-x86", 200 * ms, 0, 80, 100'050);
  auto again = fake.vm;
  again.pid = 80;
  again.pid_start_ticks = 100'050;
  sampler->set_vms({again});
  busy(100, 0);
  tick(1001s, 31'000'000);
  EXPECT_EQ(record().state, VmState::running);
  EXPECT_EQ(record().work_ns, 500 * ms);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 15'000'000u);
}

TEST_F(SamplerAtTheEnd, AnOldVmThatStartsAgainWithinATickKeepsItsRecord) {
  AccountOptions account{.policy = IdlePolicy::none};
  account.keep_stopped = 10s;
  start(fake.dir.path("proc"), account);
  fake.process();
  fake.thread(70, "qemu-system-x86", 0);
  fake.in_group(70, fake.group);
  fake.usage_us(0);
  sampler->set_vms({fake.vm});
  tick(1000s, 1'000'000);
  tick(1060s, 2'000'000);
  fake.usage_us(500'000);
  fake.dir.remove("proc/70");
  sampler->set_vms({});
  sampler->attend(1060s + 250ms, 1060s + 250ms);
  sampler->expect({.uuid = fake.vm.uuid, .name = "web", .state = VmState::starting});
  busy(100, 0);
  tick(1061s, 32'000'000);
  EXPECT_EQ(record().state, VmState::starting);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 15'000'000u);
  // It may take as long as any other to come.
  tick(1070s, 33'000'000);
  ASSERT_TRUE(LedgerReader::open(fake.dir.path("ledger"))->find(fake.vm.uuid));
  tick(1072s, 34'000'000);
  EXPECT_FALSE(LedgerReader::open(fake.dir.path("ledger"))->find(fake.vm.uuid));
}

TEST_F(SamplerAtTheEnd, AVmThatIsListedWithoutItsProcessStaysStoppedUntilItHasOne) {
  start(fake.dir.path("proc"), {.policy = IdlePolicy::none});
  fake.process();
  fake.thread(70, "qemu-system-x86", 0);
  sampler->set_vms({fake.vm});
  tick(1000s, 1'000'000);
  fake.dir.remove("proc/70");
  auto listed = fake.vm;
  listed.pid = 0;
  listed.state = VmState::starting;
  tick(1001s, 2'000'000);
  EXPECT_EQ(record().state, VmState::stopped);
  sampler->set_vms({listed});
  tick(1002s, 3'000'000);
  EXPECT_EQ(record().state, VmState::stopped);
  fake.thread(80, "qemu-system-x86", 0, 0, 80, 100'250);
  listed.pid = 80;
  listed.pid_start_ticks = 100'250;
  listed.state = VmState::running;
  sampler->set_vms({listed});
  tick(1003s, 4'000'000);
  EXPECT_EQ(record().state, VmState::running);
}

TEST_F(SamplerAtTheEnd, SmtWeightsChangeTheDivisionAndNotTheCpuTime) {
  start(fake.dir.path("proc"), {.policy = IdlePolicy::none, .weights = PackageWeights::smt});
  fake.process();
  fake.thread(70, "qemu-system-x86", 0);
  sampler->set_vms({fake.vm});
  tick(1000s, 1'000'000);
  // The VM has CPU 0 for the whole second; another program has the sibling for half of it.
  fake.thread(70, "qemu-system-x86", 1000 * ms, 0);
  busy(100, 50);
  tick(1001s, 106'000'000);
  EXPECT_EQ(record().work_ns, 1000 * ms);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 77'500'000u) << "0.775 to 0.275 of 105 J";
}

Nanoseconds clock_now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + Nanoseconds(time.tv_nsec);
}

TEST_F(SamplerAtTheEnd, ARealProcessThatEndsBetweenTwoTicksIsChargedWhatItDid) {
  start("/proc", {.policy = IdlePolicy::none});
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    [[maybe_unused]] const auto got = ::read(go[0], &byte, 1);
    while (clock_now(CLOCK_PROCESS_CPUTIME_ID) < 300ms) {
    }
    ::_exit(0);
  }
  auto vm = fake.vm;
  vm.pid = child;
  vm.pid_start_ticks = process_start_ticks("/proc", child).value();
  const auto tick_now = [&](std::uint64_t raw_uj) {
    zone->raw_uj = raw_uj;
    zone->taken = clock_now(CLOCK_MONOTONIC);
    sampler->tick(zone->taken, clock_now(CLOCK_BOOTTIME));
  };
  tick_now(1'000'000);
  sampler->set_vms({vm});
  sampler->attend(clock_now(CLOCK_MONOTONIC), clock_now(CLOCK_BOOTTIME));
  tick_now(2'000'000);
  ASSERT_EQ(::write(go[1], "x", 1), 1);
  pollfd event{sampler->event_fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&event, 1, -1), 1);
  sampler->attend(clock_now(CLOCK_MONOTONIC), clock_now(CLOCK_BOOTTIME));
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  ::close(go[0]);
  ::close(go[1]);
  tick_now(3'000'000);
  EXPECT_EQ(record().state, VmState::stopped);
  // The kernel shows user and system time, each rounded down to a tick of its clock.
  const auto clock_tick = static_cast<std::uint64_t>(1'000'000'000 / ::sysconf(_SC_CLK_TCK));
  EXPECT_GE(record().work_ns + 2 * clock_tick, 300 * ms);
  EXPECT_LE(record().work_ns, 300 * ms + 2 * clock_tick);
  EXPECT_TRUE(problems.empty());
}

}  // namespace
}  // namespace vpowercap
