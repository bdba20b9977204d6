// SPDX-License-Identifier: Apache-2.0
// Memory traffic from a fake resctrl to the energy of dram.
#include "common/ledger/reader.hpp"
#include "host/sampler/sampler.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t joule = 1'000'000;

struct DramSource final : EnergySource {
  std::vector<ZoneReading> zones;
  [[nodiscard]] Method method() const override { return Method::rapl; }
  std::vector<ZoneReading> sample() override { return zones; }
  std::vector<Error> take_problems() override { return {}; }
};

/// Two packages of one CPU and one L3 cache each, and two VMs with a vCPU each, `a` on package 0, `b`
/// on package 1, of which each does half of what its CPU does. Each package's memory draws 12 J a tick.
struct Traffic : ::testing::Test {
  testing::TempDir dir;
  Nanoseconds now = 1000s;
  DramSource* source = nullptr;
  std::unique_ptr<Sampler> sampler;
  std::vector<std::string> problems;
  std::uint64_t ticks = 0;
  const Uuid a = *Uuid::parse("aaaaaaaa-0000-4000-8000-000000000001");
  const Uuid b = *Uuid::parse("bbbbbbbb-0000-4000-8000-000000000002");
  const std::string of_a = "/mon_groups/qemu-1-a-vcpus_0";
  const std::string of_b = "/mon_groups/qemu-2-b-vcpus_0";

  void SetUp() override {
    for (const std::string cpu : {"0", "1"}) {
      const auto at = "sys/devices/system/cpu/cpu" + cpu + "/";
      dir.write(at + "topology/physical_package_id", cpu + "\n");
      dir.write(at + "cache/index0/level", "3\n");
      dir.write(at + "cache/index0/id", cpu + "\n");
    }
    auto zones = std::make_unique<DramSource>();
    source = zones.get();
    const SamplerOptions options{
        dir.path("proc"), dir.path("sys"), 1s, {.policy = IdlePolicy::none, .tick = 1s}};
    sampler = std::make_unique<Sampler>(
        options, std::move(zones), std::move(*LedgerWriter::open({dir.path("ledger"), "", 60s, 1s})),
        [this](const Error& error) { problems.push_back(error.message); });
    VmDescription vm_a{.uuid = a, .name = "a", .pid = 70, .pid_start_ticks = 1};
    VmDescription vm_b{.uuid = b, .name = "b", .pid = 80, .pid_start_ticks = 1};
    sampler->set_vms({vm_a, vm_b});
  }
  void thread(int pid, int tid, const std::string& comm, std::uint64_t run_ns, int cpu) const {
    std::string stat = std::to_string(tid) + " (" + comm + ") S";
    for (int field = 4; field <= 52; ++field)
      stat += " " + std::to_string(field == 22 ? 1 : field == 39 ? cpu : 0);
    const auto process = "proc/" + std::to_string(pid) + "/";
    const auto task = process + "task/" + std::to_string(tid) + "/";
    dir.write(task + "stat", stat + "\n");
    dir.write(task + "comm", comm + "\n");
    dir.write(task + "schedstat", std::to_string(run_ns) + " 0 0\n");
    if (tid == pid) dir.write(process + "stat", stat + "\n");
  }
  /// Sets what a group moved up to now through both caches: bytes of cache 0, of it local, and of
  /// cache 1.
  void group(const std::string& name, std::array<std::uint64_t, 4> bytes, const char* tasks) const {
    const auto at = "sys/fs/resctrl" + name;
    for (const std::size_t cache : {0, 1}) {
      const auto files = at + "/mon_data/mon_L3_0" + std::to_string(cache);
      dir.write(files + "/mbm_total_bytes", std::to_string(bytes[2 * cache]) + "\n");
      dir.write(files + "/mbm_local_bytes", std::to_string(bytes[2 * cache + 1]) + "\n");
    }
    dir.write(at + "/tasks", tasks);
  }
  void tick() {
    now += 1s;
    ++ticks;
    const auto at = ticks * 100;
    dir.write("proc/stat", "cpu 0 0 0 0\ncpu0 " + std::to_string(at) + " 0 0 0\ncpu1 " +
                               std::to_string(at) + " 0 0 0\n");
    for (const int pid : {70, 80}) {
      thread(pid, pid, "qemu-system-x86", 0, pid == 80);
      thread(pid, pid + 1, "CPU 0/KVM", ticks * 500'000'000, pid == 80);
    }
    source->zones = {};
    for (std::uint32_t package : {0u, 1u})
      source->zones.push_back({"intel-rapl:" + std::to_string(package) + ":0", "dram",
                               EnergyDomain::dram, package, 262143328850, ticks * 12 * joule, now});
    sampler->tick(now, now);
  }
  VmRecord record(const Uuid& uuid) const {
    return *LedgerReader::open(dir.path("ledger"))->find(uuid);
  }
  DynamicBasis basis(const Uuid& uuid) const {
    return record(uuid).basis[static_cast<std::size_t>(EnergyDomain::dram)];
  }
  /// Joules of dram that a VM got in the last tick, times ten.
  std::uint64_t tenths(const Uuid& uuid) {
    const auto all = record(uuid).energy_sum(EnergyDomain::dram);
    const auto got = all - before[uuid];
    before[uuid] = all;
    return got / (joule / 10);
  }
  std::map<Uuid, std::uint64_t> before;

  /// Two ticks, of which the second has traffic: `a` moves a sixth of what package 0 does, `b` nothing.
  void run_with_groups() {
    group("", {1000, 1000, 1000, 1000}, "1\n");
    group(of_a, {500, 500, 0, 0}, "71\n");
    group(of_b, {500, 500, 0, 0}, "81\n");
    tick();
    (void)tenths(a);
    (void)tenths(b);
    group("", {7000, 7000, 7000, 7000}, "1\n");
    group(of_a, {1500, 1500, 0, 0}, "71\n");
    tick();
  }
};

TEST_F(Traffic, WithoutResctrlDramGoesByWork) {
  tick();
  (void)tenths(a);
  tick();
  EXPECT_EQ(tenths(a), 60u);
  EXPECT_EQ(basis(a), DynamicBasis::work);
  EXPECT_TRUE(problems.empty()) << problems.front();
}

TEST_F(Traffic, VmsWithGroupsOfTheirOwnPayForTheBytesTheyMoved) {
  run_with_groups();
  EXPECT_EQ(tenths(a), 20u);
  EXPECT_EQ(tenths(b), 0u);
  EXPECT_EQ(basis(a), DynamicBasis::bandwidth);
  EXPECT_EQ(basis(b), DynamicBasis::bandwidth);
  EXPECT_TRUE(problems.empty()) << problems.front();
}

TEST_F(Traffic, AVmWithoutAGroupSharesTheRestWithTheHost) {
  group("", {1000, 1000, 1000, 1000}, "1\n81\n");
  group(of_a, {500, 500, 100, 100}, "71\n");
  tick();
  (void)tenths(b);
  group("", {1000, 1000, 4000, 4000}, "1\n81\n");
  group(of_a, {500, 500, 1100, 1100}, "71\n");  // 1000 of 3000 bytes on package 1
  tick();
  EXPECT_EQ(tenths(b), 40u);  // half of the rest, as of the CPU time
  EXPECT_EQ(basis(b), DynamicBasis::work);
  EXPECT_EQ(basis(a), DynamicBasis::bandwidth);
}

TEST_F(Traffic, WhatIsNotLocalIsTheOtherPackagesMemory) {
  group("", {0, 0, 0, 0}, "1\n");
  group(of_a, {0, 0, 0, 0}, "71\n");
  tick();
  (void)tenths(a);
  group("", {3000, 1000, 500, 500}, "1\n");  // 1000 in package 0's memory, 2500 in package 1's
  group(of_a, {1000, 0, 0, 0}, "71\n");      // all of it in package 1's
  tick();
  EXPECT_EQ(tenths(a), 48u);
}

TEST_F(Traffic, AVmCountsApartOnlyWhenAllItsVcpusAreInGroupsOfItsOwn) {
  group("", {0, 0, 0, 0}, "1\n71\n");
  group("/mon_groups/both", {0, 0, 0, 0}, "72\n81\n");
  tick();
  tick();
  EXPECT_EQ(basis(a), DynamicBasis::work);
  EXPECT_EQ(basis(b), DynamicBasis::work);
}

TEST_F(Traffic, AControlGroupHoldsWhatItsMonitoringGroupsMoved) {
  group("", {0, 0, 0, 0}, "1\n");
  group("/limited", {0, 0, 0, 0}, "71\n");
  group("/limited/mon_groups/b", {0, 0, 0, 0}, "81\n");
  tick();
  (void)tenths(a);
  (void)tenths(b);
  group("", {600, 600, 0, 0}, "1\n");
  group("/limited", {600, 600, 0, 0}, "71\n");  // of it 400 by b
  group("/limited/mon_groups/b", {400, 400, 0, 0}, "81\n");
  tick();
  EXPECT_EQ(tenths(a), 20u);
  EXPECT_EQ(tenths(b), 40u);
}

TEST_F(Traffic, AFigureThatIsMissingIsToldOnceAndTheTickGoesByWork) {
  run_with_groups();
  (void)tenths(a);
  const auto file = "sys/fs/resctrl" + of_a + "/mon_data/mon_L3_01/mbm_total_bytes";
  dir.write(file, "Unavailable\n");
  tick();
  tick();
  EXPECT_EQ(tenths(a), 120u);
  EXPECT_EQ(basis(a), DynamicBasis::work);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].find("mon_L3_01/mbm_total_bytes says Unavailable"), std::string::npos);
  dir.write(file, "0\n");
  tick();
  EXPECT_EQ(basis(a), DynamicBasis::bandwidth);
}

TEST_F(Traffic, ACounterThatGoesBackCostsOneTick) {
  run_with_groups();
  group("", {10, 10, 10, 10}, "1\n");
  tick();
  EXPECT_EQ(basis(a), DynamicBasis::work);
  tick();
  EXPECT_EQ(basis(a), DynamicBasis::bandwidth);
}

TEST_F(Traffic, EnergyThatComesLateGoesByTheTrafficOfAllItsTime) {
  run_with_groups();
  (void)tenths(a);
  (void)tenths(b);
  group("", {8000, 8000, 8000, 8000}, "1\n");  // a moves nothing for a tick
  now += 1s;
  ++ticks;
  for (auto& zone : source->zones) zone.raw_uj.reset();
  sampler->tick(now, now);
  EXPECT_EQ(tenths(a), 0u);
  group("", {10000, 10000, 10000, 10000}, "1\n");
  group(of_a, {2500, 2500, 0, 0}, "71\n");  // then half of the traffic: a third of both ticks'
  tick();
  EXPECT_EQ(tenths(a), 80u);
  EXPECT_EQ(basis(a), DynamicBasis::bandwidth);
}

}  // namespace
}  // namespace vpowercap
