// SPDX-License-Identifier: Apache-2.0
#include "common/ledger/reader.hpp"
#include "host/sampler/sampler.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t watt = 1'000'000;

struct TwoZones final : EnergySource {
  std::vector<ZoneReading> zones;
  [[nodiscard]] Method method() const override { return Method::rapl; }
  std::vector<ZoneReading> sample() override { return zones; }
  std::vector<Error> take_problems() override { return {}; }
};

/// Two packages of one CPU each, 4 W idle each, and a QEMU process with two vCPUs, one on each.
struct TopologyOf : ::testing::Test {
  testing::TempDir dir;
  Nanoseconds now = 1000s;
  TwoZones* source = nullptr;
  std::unique_ptr<Sampler> sampler;
  std::vector<std::string> problems;
  bool has_dies = false;
  const Uuid uuid = *Uuid::parse("aaaaaaaa-0000-4000-8000-000000000001");

  void SetUp() override {
    for (const char* cpu : {"0", "1"})
      dir.write(std::string("sys/devices/system/cpu/cpu") + cpu + "/topology/physical_package_id",
                std::string(cpu) + "\n");
    make_sampler();
    thread(70, "qemu-system-x86", 0, 0, "0-1");
    vcpus(0, 0);
  }
  void make_sampler() {
    sampler.reset();
    busy(0, 0);
    auto zones = std::make_unique<TwoZones>();
    source = zones.get();
    SamplerOptions options{
        dir.path("proc"), dir.path("sys"), 1s, {.idle_uw = {4 * watt}, .tick = 1s}, {}};
    sampler = std::make_unique<Sampler>(
        options, std::move(zones), std::move(*LedgerWriter::open({dir.path("ledger"), "", 60s, 1s})),
        [this](const Error& error) { problems.push_back(error.message); });
  }
  /// The same machine as one package of two dies.
  void become_two_dies() {
    for (const std::string cpu : {"0", "1"}) {
      const auto at = "sys/devices/system/cpu/cpu" + cpu + "/topology/";
      dir.write(at + "physical_package_id", "0\n");
      dir.write(at + "die_id", cpu + "\n");
    }
    has_dies = true;
    sampler.reset();
    dir.remove("ledger");
    make_sampler();
  }
  void busy(int ticks0, int ticks1) {
    dir.write("proc/stat", "cpu 0 0 0 0\ncpu0 " + std::to_string(ticks0) + " 0 0 0\ncpu1 " +
                               std::to_string(ticks1) + " 0 0 0\n");
  }
  void thread(int tid, const std::string& comm, std::uint64_t run_ns, int cpu,
              const std::string& list) {
    std::string stat = std::to_string(tid) + " (" + comm + ") S";
    for (int field = 4; field <= 52; ++field)
      stat += " " + std::to_string(field == 22 ? 1 : field == 39 ? cpu : 0);
    const auto task = "proc/70/task/" + std::to_string(tid) + "/";
    dir.write(task + "stat", stat + "\n");
    dir.write(task + "comm", comm + "\n");
    dir.write(task + "schedstat", std::to_string(run_ns) + " 0 0\n");
    dir.write(task + "status", "Name:\tx\nCpus_allowed_list:\t" + list + "\n");
    if (tid == 70) dir.write("proc/70/stat", stat + "\n");
  }
  void vcpus(std::uint64_t run0_ns, std::uint64_t run1_ns) {
    thread(71, "CPU 0/KVM", run0_ns, 0, "0");
    thread(72, "CPU 1/KVM", run1_ns, 1, "1");
  }
  void tick(std::uint64_t raw0, std::uint64_t raw1) {
    now += 1s;
    source->zones = {{"intel-rapl:0", "package-0", EnergyDomain::package, 0, 262143328850, raw0, now},
                     {"intel-rapl:1", "package-1", EnergyDomain::package, 1, 262143328850, raw1, now}};
    if (has_dies) {
      source->zones[1].package = 0;
      source->zones[1].die = 1;
      for (auto& zone : source->zones) zone.is_one_die = true;
    }
    sampler->tick(now, now);
  }
  void list(TopologyView view, VmTopology topology) {
    VmDescription vm{.uuid = uuid, .name = "web", .pid = 70, .pid_start_ticks = 1};
    vm.topology = topology;
    vm.settings.topology = view;
    sampler->set_vms({vm});
  }
  VmRecord record() { return *LedgerReader::open(dir.path("ledger"))->find(uuid); }
  VirtualZoneRecord zone(std::uint32_t socket) { return record().zone(socket, EnergyDomain::package); }

  /// One tick: package 0 draws 10 W, of them vCPU 0 half of the dynamic 6 W; package 1 5 W, all idle
  /// but 1 W, which is vCPU 1's.
  void run(TopologyView view, VmTopology topology) {
    list(view, topology);
    tick(5, 5);
    vcpus(500'000'000, 1'000'000'000);
    busy(100, 100);
    tick(5 + 10 * watt, 5 + 5 * watt);
    EXPECT_TRUE(problems.empty()) << problems.front();
  }
};

TEST_F(TopologyOf, GuestSocketsGetTheEnergyOfTheirOwnVcpus) {
  run(TopologyView::guest, {2, 2});
  ASSERT_EQ(record().sockets, 2u);
  EXPECT_EQ(zone(0).dynamic_uj, 3 * watt);
  EXPECT_EQ(zone(0).idle_uj, 4 * watt);
  EXPECT_EQ(zone(1).dynamic_uj, 1 * watt);
  EXPECT_EQ(zone(1).idle_uj, 4 * watt);
}

TEST_F(TopologyOf, SingleIsOnePackageForTheWholeVm) {
  run(TopologyView::single, {2, 2});
  ASSERT_EQ(record().sockets, 1u);
  EXPECT_EQ(zone(0).dynamic_uj, 4 * watt);
  EXPECT_EQ(zone(0).idle_uj, 8 * watt);
}

TEST_F(TopologyOf, HostShowsTheHostsPackages) {
  run(TopologyView::host, {2, 1});
  ASSERT_EQ(record().sockets, 2u);
  EXPECT_EQ(zone(0).dynamic_uj, 3 * watt);
  EXPECT_EQ(zone(0).idle_uj, 4 * watt);
  EXPECT_EQ(zone(1).dynamic_uj, 1 * watt);
  EXPECT_EQ(zone(1).idle_uj, 4 * watt);
}

TEST_F(TopologyOf, EveryViewOfAVmHasTheSameSumToTheMicrojoule) {
  run(TopologyView::guest, {2, 2});
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 12 * watt);
  list(TopologyView::single, {2, 2});
  tick(5 + 10 * watt, 5 + 5 * watt);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 12 * watt);
}

TEST_F(TopologyOf, ADiesEnergyGoesByTheWorkOnItsOwnCpus) {
  become_two_dies();
  list(TopologyView::guest, {2, 2});
  tick(5, 5);
  vcpus(1'000'000'000, 0);  // die 0 draws 6 W of dynamic power, all for vCPU 0; die 1 for the host
  busy(100, 100);
  tick(5 + 8 * watt, 5 + 5 * watt);
  ASSERT_EQ(record().sockets, 2u);
  EXPECT_EQ(zone(0).dynamic_uj, 6 * watt);
  EXPECT_EQ(zone(0).idle_uj, 2 * watt);  // of 4 W for the package
  EXPECT_EQ(zone(1).dynamic_uj, 0u);
  EXPECT_EQ(zone(1).idle_uj, 2 * watt);
  EXPECT_EQ(record().work_ns, 1'000'000'000u);
  EXPECT_TRUE(problems.empty()) << problems.front();
}

TEST_F(TopologyOf, ADaemonThatTakesOverDividesByTheDiesBusyTimeSince) {
  become_two_dies();
  list(TopologyView::guest, {2, 2});
  busy(0, 0);
  tick(5, 5);
  make_sampler();  // takes over; meanwhile each die was busy for a second, half of it for the VM
  vcpus(500'000'000, 500'000'000);
  busy(100, 100);
  tick(5 + 8 * watt, 5 + 6 * watt);
  EXPECT_EQ(zone(0).dynamic_uj, 3 * watt);
  EXPECT_EQ(zone(1).dynamic_uj, 2 * watt);
}

TEST_F(TopologyOf, APinnedVmOwesNothingOfTheOtherPackage) {
  thread(71, "CPU 0/KVM", 0, 1, "1");
  list(TopologyView::host, {2, 1});
  tick(5, 5);
  busy(0, 0);
  tick(5 + 4 * watt, 5 + 4 * watt);
  EXPECT_EQ(zone(0).idle_uj, 0u);
  EXPECT_EQ(zone(1).idle_uj, 4 * watt);
}

TEST_F(TopologyOf, AnUnpluggedVcpuIsOwedForNoMoreThoughItCouldComeBack) {
  list(TopologyView::single, {4, 1, 2});
  tick(5, 5);
  EXPECT_EQ(record().owned_vcpus, 2u);
  dir.remove("proc/70/task/72");
  tick(5 + 4 * watt, 5 + 4 * watt);
  EXPECT_EQ(record().owned_vcpus, 1u);
  EXPECT_EQ(record().vcpus, 4u);
  EXPECT_EQ(zone(0).idle_uj, 4 * watt);
}

TEST_F(TopologyOf, ASocketThatHasNoVcpuYetStaysAwayWhenADaemonTakesOver) {
  list(TopologyView::guest, {.vcpus = 4, .sockets = 4, .current = 2, .plugged_sockets = 2});
  tick(5, 5);
  EXPECT_EQ(record().sockets, 2u);
  make_sampler();
  tick(5 + 10 * watt, 5 + 10 * watt);
  EXPECT_EQ(record().sockets, 2u);
  EXPECT_EQ(record().guest_sockets, 4u);
  list(TopologyView::guest, {.vcpus = 4, .sockets = 4, .current = 3, .plugged_sockets = 3});
  tick(5 + 10 * watt, 5 + 10 * watt);
  EXPECT_EQ(record().sockets, 3u);
}

}  // namespace
}  // namespace vpowercap
