// SPDX-License-Identifier: Apache-2.0
#include "host/sampler/sampler.hpp"

#include <filesystem>

#include "common/ledger/reader.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

/// Zones whose counters a test sets.
struct FakeSource final : EnergySource {
  std::vector<ZoneReading> zones;
  std::vector<Error> problems;
  Method kind = Method::rapl;
  [[nodiscard]] Method method() const override { return kind; }
  std::vector<ZoneReading> sample() override { return zones; }
  std::vector<Error> take_problems() override { return std::exchange(problems, {}); }
};

/// A host with one package of two CPUs and QEMU processes below a fake /proc.
struct SamplerOf : ::testing::Test {
  testing::TempDir dir;
  Nanoseconds now = 1000s;
  Nanoseconds since_boot = 1000s;
  FakeSource* source = nullptr;
  std::vector<std::string> problems;
  std::unique_ptr<Sampler> sampler;
  const Uuid uuid = *Uuid::parse("aaaaaaaa-0000-4000-8000-000000000001");
  AccountOptions account{.policy = IdlePolicy::none};

  void SetUp() override {
    for (const char* cpu : {"0", "1"})
      dir.write(std::string("sys/devices/system/cpu/cpu") + cpu + "/topology/physical_package_id",
                "0\n");
    busy(0);
    start();
  }
  void start(Method method = Method::rapl) {
    auto fake = std::make_unique<FakeSource>();
    fake->kind = method;
    source = fake.get();
    SamplerOptions options{dir.path("proc"), dir.path("sys"), 1s, account};
    options.awaited_dir = dir.path("awaited");
    sampler.reset();
    auto ledger = LedgerWriter::open({dir.path("ledger"), "", 60s, 1s});
    ASSERT_TRUE(ledger) << ledger.error().message;
    sampler =
        std::make_unique<Sampler>(options, std::move(fake), std::move(*ledger),
                                  [this](const Error& error) { problems.push_back(error.message); });
  }
  void busy(int ticks_each) {
    const auto t = std::to_string(ticks_each);
    dir.write("proc/stat",
              "cpu 0 0 0 0\ncpu0 " + t + " 0 0 0 0 0 0 0 0 0\ncpu1 " + t + " 0 0 0 0 0 0 0 0 0\n");
  }
  void thread(int pid, int tid, const std::string& comm, std::uint64_t run_ns, int start_ticks = 1) {
    const auto task = "proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/";
    std::string stat = std::to_string(tid) + " (" + comm + ") S";
    for (int field = 4; field <= 52; ++field)
      stat += field == 22 ? " " + std::to_string(start_ticks) : " 0";
    dir.write(task + "stat", stat + "\n");
    dir.write(task + "comm", comm + "\n");
    dir.write(task + "schedstat", std::to_string(run_ns) + " 0 0\n");
    if (pid == tid) dir.write("proc/" + std::to_string(pid) + "/stat", stat + "\n");
  }
  void tick(std::uint64_t raw_uj) {
    now += 1s;
    since_boot += 1s;
    source->zones = {
        {"intel-rapl:0", "package-0", EnergyDomain::package, 0, 262143328850, raw_uj, now}};
    sampler->tick(now, since_boot);
  }
  VmDescription vm(std::int64_t pid = 70) {
    return {.uuid = uuid, .name = "web", .pid = pid, .pid_start_ticks = 1};
  }
  VmRecord record() { return *LedgerReader::open(dir.path("ledger"))->find(uuid); }
};

TEST_F(SamplerOf, ChargesVcpusAndHelpersOfAQemuProcess) {
  thread(70, 70, "qemu-system-x86", 0);
  thread(70, 71, "CPU 0/KVM", 0);
  sampler->set_vms({vm()});
  tick(1'000'000);
  thread(70, 71, "CPU 0/KVM", 900'000'000);
  thread(70, 70, "qemu-system-x86", 100'000'000);
  busy(100);
  tick(41'000'000);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 20'000'000u);
  EXPECT_EQ(record().work_ns, 1'000'000'000u);
  EXPECT_EQ(record().state, VmState::running);
  EXPECT_EQ(record().power_uw, 20'000'000u);
  EXPECT_TRUE(problems.empty());
}

TEST_F(SamplerOf, AVmBornWithinATickGetsItsFirstWork) {
  tick(1'000'000);
  thread(70, 70, "qemu-system-x86", 500'000'000, 100'150);
  busy(100);
  sampler->set_vms({{.uuid = uuid, .name = "web", .pid = 70, .pid_start_ticks = 100'150}});
  tick(41'000'000);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 10'000'000u);
}

/// A VM that came from another host: its guest never sees less than it saw there.
TEST_F(SamplerOf, AStateThatIsHandedOverWaitsForItsVm) {
  const HandOver state{uuid, {{0, EnergyDomain::package, 90'000'000}}};
  ASSERT_TRUE(sampler->take_over(state, now));
  tick(1'000'000);
  now += 300s;
  since_boot += 300s;
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  sampler->attend(now, since_boot);
  tick(2'000'000);
  EXPECT_EQ(record().published_sum(EnergyDomain::package), 90'000'000u);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 0u);
  thread(70, 70, "qemu-system-x86", 1'000'000'000);
  busy(100);
  tick(42'000'000);
  const auto energy = record().energy_sum(EnergyDomain::package);
  EXPECT_GT(energy, 0u);
  EXPECT_EQ(record().published_sum(EnergyDomain::package), 90'000'000u + energy);
}

/// The daemon is killed after it took the state: before its VM came, and after that before a tick.
TEST_F(SamplerOf, AStateThatIsHandedOverWaitsOverARestart) {
  ASSERT_TRUE(sampler->take_over({uuid, {{0, EnergyDomain::package, 90'000'000}}}, now));
  tick(1'000'000);
  start();
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  sampler->attend(now, since_boot);
  start();
  sampler->set_vms({vm()});
  tick(2'000'000);
  EXPECT_EQ(record().published_sum(EnergyDomain::package), 90'000'000u);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path("awaited"))) << "the ledger has it";
  EXPECT_TRUE(problems.empty());
}

/// A VM went from here to another host and comes back: its old record may be gone by then.
TEST_F(SamplerOf, AStateOfAVmThatStoppedHereWaitsForItsReturn) {
  account.keep_stopped = 1s;
  start();
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  tick(1'000'000);
  dir.remove("proc/70");
  sampler->set_vms({});
  tick(2'000'000);
  ASSERT_EQ(record().state, VmState::stopped);
  ASSERT_TRUE(sampler->take_over({uuid, {{0, EnergyDomain::package, 90'000'000}}}, now));
  for (const std::uint64_t raw : {3'000'000, 4'000'000, 5'000'000}) tick(raw);
  ASSERT_FALSE(LedgerReader::open(dir.path("ledger"))->find(uuid));
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  tick(6'000'000);
  EXPECT_EQ(record().published_sum(EnergyDomain::package), 90'000'000u);
}

TEST_F(SamplerOf, AStateWhoseVmDoesNotComeIsForgotten) {
  ASSERT_TRUE(sampler->take_over({uuid, {{0, EnergyDomain::package, 90'000'000}}}, now));
  tick(1'000'000);
  now += 601s;
  since_boot += 601s;
  tick(2'000'000);
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  tick(3'000'000);
  EXPECT_LT(record().published_sum(EnergyDomain::package), 90'000'000u);
}

TEST_F(SamplerOf, AVmThatRanBeforeUsIsChargedFromNowOn) {
  thread(70, 70, "qemu-system-x86", 77'000'000'000);
  sampler->set_vms({vm()});
  tick(1'000'000);
  busy(100);
  tick(41'000'000);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 0u);
}

/// It started while no daemon ran, and is listed after the next one's first tick.
TEST_F(SamplerOf, AVmThatIsFoundLateHasAGap) {
  tick(1'000'000);
  start();
  now += 100s;
  since_boot += 100s;
  tick(2'000'000);
  thread(70, 70, "qemu-system-x86", 7'000'000'000, 105'000);
  sampler->set_vms({{.uuid = uuid, .name = "web", .pid = 70, .pid_start_ticks = 105'000}});
  tick(3'000'000);
  EXPECT_EQ(record().work_ns, 0u);
  EXPECT_EQ(record().gaps, 1u);
  tick(4'000'000);
  EXPECT_EQ(record().gaps, 1u);
}

TEST_F(SamplerOf, AVmThatIsFoundLateAndEndsAtOnceHasAGapToo) {
  tick(1'000'000);
  thread(70, 70, "qemu-system-x86", 7'000'000'000);
  sampler->set_vms({vm()});
  sampler->attend(now + 500ms, since_boot + 500ms);
  dir.remove("proc/70/task");
  thread(70, 70, "qemu-system-x86", 7'000'000'000, 2);
  tick(2'000'000);
  EXPECT_EQ(record().state, VmState::stopped);
  EXPECT_EQ(record().gaps, 1u);
}

TEST_F(SamplerOf, AGoneProcessIsStoppedAndKeepsItsValue) {
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  tick(1'000'000);
  thread(70, 70, "qemu-system-x86", 2'000'000'000);
  busy(100);
  tick(41'000'000);
  dir.remove("proc/70");
  tick(81'000'000);
  EXPECT_EQ(record().state, VmState::stopped);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 40'000'000u);
}

TEST_F(SamplerOf, AReusedPidGetsNothing) {
  thread(70, 70, "qemu-system-x86", 0, 555);
  sampler->set_vms({vm()});
  tick(1'000'000);
  EXPECT_EQ(problems.size(), 1u);
  EXPECT_FALSE(LedgerReader::open(dir.path("ledger"))->find(uuid));
}

TEST_F(SamplerOf, ARestartCountsTheGapForTheSameProcess) {
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  tick(1'000'000);
  thread(70, 70, "qemu-system-x86", 1'000'000'000);
  busy(100);
  tick(41'000'000);
  const auto before = record().energy_sum(EnergyDomain::package);
  sampler.reset();
  start();
  now += 9s;
  since_boot += 9s;
  thread(70, 70, "qemu-system-x86", 11'000'000'000);
  busy(1100);
  tick(441'000'000);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package) - before, 200'000'000u);
  EXPECT_EQ(record().name.view(), "web");
}

TEST_F(SamplerOf, ARestartWithAnotherSourceSaysSoAndUsesNoCounterOfTheOther) {
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  tick(1'000'000);
  tick(41'000'000);
  start(Method::model);
  const auto host = [&] { return *LedgerReader::open(dir.path("ledger"))->host(); };
  for (const std::uint64_t raw : {0, 10'000'000, 20'000'000}) tick(raw);
  EXPECT_EQ(host().method, Method::model);
  EXPECT_EQ(record().method, Method::model);
  EXPECT_EQ(host().zones[0].energy_uj, 60'000'000u);
  EXPECT_TRUE(sampler->idle_memory().empty()) << "a model's idle power is no measured one";
  start();
  tick(60'000'000);
  EXPECT_EQ(host().method, Method::rapl);
  EXPECT_EQ(record().method, Method::rapl);
  EXPECT_EQ(host().zones[0].energy_uj, 60'000'000u) << "60 J less 20 J are of two counters";
  tick(70'000'000);
  EXPECT_EQ(host().zones[0].energy_uj, 70'000'000u);
}

TEST_F(SamplerOf, ASuspendBringsNoSpike) {
  tick(1'000'000);
  tick(41'000'000);
  since_boot += 600s;
  tick(900'000'000);
  tick(930'000'000);
  const auto host = LedgerReader::open(dir.path("ledger"))->host();
  EXPECT_EQ(host->zones[0].energy_uj, 70'000'000u);
  EXPECT_EQ(host->zones[0].gaps, 1u);
  EXPECT_EQ(host->zones[0].lost_ns, 601'000'000'000u);
}

TEST_F(SamplerOf, ACpuThatTakesAnothersPlaceIsSeen) {
  tick(1'000'000);
  dir.write("sys/devices/system/cpu/cpu1/online", "0\n");
  dir.write("sys/devices/system/cpu/cpu4/topology/physical_package_id", "1\n");
  dir.write("proc/stat", "cpu 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\ncpu4 0 0 0 0 0 0 0 0 0 0\n");
  tick(2'000'000);
  const auto host = LedgerReader::open(dir.path("ledger"))->host();
  EXPECT_EQ(host->packages, 2u);
  EXPECT_EQ(host->cpus, 2u);
}

TEST_F(SamplerOf, AnExpectedVmHasATreeBeforeItRuns) {
  sampler->expect({.uuid = uuid, .name = "web", .state = VmState::starting});
  tick(1'000'000);
  EXPECT_EQ(record().state, VmState::starting);
  EXPECT_GT(record().published_sum(EnergyDomain::package), 0u);
}

TEST_F(SamplerOf, TheHints513AndAfterOfOneMomentAreLeftToTheList) {
  const auto number = [](std::uint32_t i) {
    Uuid id;
    id.bytes[0] = static_cast<std::uint8_t>(i);
    id.bytes[1] = static_cast<std::uint8_t>(i >> 8);
    return id;
  };
  for (std::uint32_t i = 0; i <= max_vms; ++i)
    sampler->expect({.uuid = number(i), .name = "web", .state = VmState::starting});
  sampler->attend(now, since_boot);
  EXPECT_EQ(sampler->account().vms().size(), 512u);
  EXPECT_FALSE(sampler->account().vms().contains(number(max_vms)));
  sampler->expect({.uuid = number(max_vms), .name = "web", .state = VmState::starting});
  sampler->attend(now, since_boot);
  EXPECT_TRUE(sampler->account().vms().contains(number(max_vms)));
}

TEST_F(SamplerOf, AVmsNameIsCutAt255Bytes) {
  auto named = vm();
  named.name = std::string(255, 'n') + "more";
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({named});
  tick(1'000'000);
  EXPECT_EQ(record().name.view(), std::string(255, 'n'));
}

/// There is no room to note how busy it was: what comes over a restart goes by the VMs' work alone.
TEST_F(SamplerOf, APackageNumber64OrMoreIsCountedAndDividedOverARestartToo) {
  for (const char* cpu : {"0", "1"})
    dir.write(std::string("sys/devices/system/cpu/cpu") + cpu + "/topology/physical_package_id",
              "64\n");
  start();
  const auto tick_64 = [&](std::uint64_t raw_uj) {
    now += 1s;
    since_boot += 1s;
    source->zones = {
        {"intel-rapl:0", "package-64", EnergyDomain::package, 64, 262143328850, raw_uj, now}};
    sampler->tick(now, since_boot);
  };
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  tick_64(1'000'000);
  thread(70, 70, "qemu-system-x86", 1'000'000'000);
  busy(100);
  tick_64(41'000'000);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 20'000'000u);
  start();
  thread(70, 70, "qemu-system-x86", 1'500'000'000);
  busy(200);
  tick_64(81'000'000);
  const auto host = LedgerReader::open(dir.path("ledger"))->host();
  EXPECT_EQ(host->zones[0].energy_uj, 80'000'000u);
  EXPECT_EQ(host->zones[0].remainder_uj, 20'000'000u);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 60'000'000u);
}

TEST_F(SamplerOf, AListedVmWithoutAProcessYetIsStarting) {
  sampler->set_vms({{.uuid = uuid, .name = "web", .state = VmState::starting}});
  tick(1'000'000);
  EXPECT_EQ(record().state, VmState::starting);
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  tick(2'000'000);
  EXPECT_EQ(record().state, VmState::running);
  EXPECT_TRUE(problems.empty());
}

TEST_F(SamplerOf, AVmThatLeavesTheListIsStopped) {
  thread(70, 70, "qemu-system-x86", 0);
  sampler->set_vms({vm()});
  tick(1'000'000);
  sampler->set_vms({});
  tick(2'000'000);
  EXPECT_EQ(record().state, VmState::stopped);
}

}  // namespace
}  // namespace vpowercap
