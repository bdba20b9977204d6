// SPDX-License-Identifier: Apache-2.0
// From a machine's powercap tree to the books: what each layout is booked as.
#include "host/rapl/make_source.hpp"
#include "host/sampler/account.hpp"
#include "tests/support/powercap_layouts.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
namespace layouts = testing::layouts;

constexpr std::uint64_t joule = 1'000'000;

/// A machine with one VM, which does a quarter of the work on each package.
class Machine : public ::testing::Test {
 protected:
  void boot(const char* layout, const std::vector<std::uint32_t>& packages) {
    testing::write_layout(dir_, layout);
    EnergyOptions options;
    options.sysfs_root = dir_.path("sys");
    options.proc_root = dir_.path("proc");
    auto source = make_energy_source(options, clock_);
    ASSERT_TRUE(source) << source.error().message;
    source_ = std::move(*source);
    packages_ = packages;
    account_.describe_host(Method::rapl, 8, packages);
    vm_.uuid.bytes[0] = 7;
    vm_.topology = {8, static_cast<std::uint32_t>(packages.size())};
    vm_.settings.topology = TopologyView::host;
    account_.admit(vm_, clock_.now());
    tick();
  }
  void tick(Nanoseconds length = 1s) {
    clock_.advance(length);
    const auto ns = static_cast<std::uint64_t>(length.count());
    VmTick worked{.uuid = vm_.uuid, .alive = length};
    Tick tick{.now = clock_.now(), .zones = source_->sample()};
    for (const auto& problem : source_->take_problems()) problems_.push_back(problem.message);
    for (const auto package : packages_) {
      worked.work[package] = {ns / 4, {ns / 4}};
      tick.busy_ns[package] = ns;
    }
    tick.vms = {worked};
    for (const auto& problem : account_.book(tick)) problems_.push_back(problem.message);
  }
  void set(const std::string& id, std::uint64_t energy_uj) { testing::set_energy(dir_, id, energy_uj); }

  /// "id energy remainder" in joules of every record of the host.
  std::vector<std::string> zones() const {
    std::vector<std::string> all;
    for (std::uint32_t i = 0; i < account_.host().zone_count; ++i) {
      const auto& zone = account_.host().zones[i];
      EXPECT_EQ(zone.energy_uj % joule + zone.remainder_uj % joule, 0u) << zone.id.view();
      all.push_back(std::string(zone.id.view()) + " " + std::to_string(zone.energy_uj / joule) + " " +
                    std::to_string(zone.remainder_uj / joule));
    }
    return all;
  }
  const VmRecord& vm() const { return account_.vms().at(vm_.uuid); }
  std::uint64_t joules(EnergyDomain domain) const { return vm().energy_sum(domain) / joule; }

  testing::TempDir dir_;
  FakeClock clock_;
  std::unique_ptr<EnergySource> source_;
  Account account_{AccountOptions{.policy = IdlePolicy::none}};
  std::vector<std::uint32_t> packages_;
  VmDescription vm_;
  std::vector<std::string> problems_;
};

using Lines = std::vector<std::string>;

TEST_F(Machine, AClientGivesPackageCoreAndUncoreButNotPsys) {
  boot(layouts::client, {0});
  set("intel-rapl:0", 26716954797 + 40 * joule);
  set("intel-rapl:0:0", 12628860370 + 20 * joule);
  set("intel-rapl:0:1", 2711815506 + 4 * joule);
  set("intel-rapl:1", 850171102 + 60 * joule);
  tick();
  EXPECT_EQ(zones(), (Lines{"intel-rapl:0 40 30", "intel-rapl:0:0 20 15", "intel-rapl:0:1 4 3",
                            "intel-rapl:1 60 60"}));
  EXPECT_EQ(joules(EnergyDomain::package), 10u);
  EXPECT_EQ(joules(EnergyDomain::core), 5u);
  EXPECT_EQ(joules(EnergyDomain::uncore), 1u);
  EXPECT_FALSE(vm().has(EnergyDomain::dram));
  EXPECT_EQ(vm().power_uw, 10 * joule);
  EXPECT_EQ(problems_, Lines{});
}

TEST_F(Machine, AnMmioDuplicateIsBookedOnce) {
  boot(layouts::laptop_with_mmio, {0});
  set("intel-rapl:0", 26716954797 + 40 * joule);
  set("intel-rapl-mmio:0", 26716954800 + 40 * joule);
  tick();
  EXPECT_EQ(joules(EnergyDomain::package), 10u);
  EXPECT_EQ(account_.host().zone_count, 4u);
}

TEST_F(Machine, AServersDramWrapsAtItsOwnRange) {
  boot(layouts::server, {0});
  set("intel-rapl:0", 61523451122 + 100 * joule);
  set("intel-rapl:0:0", 65712999613 - 8 * joule);
  tick(100s);  // 45 kJ of dram at most 500 W
  set("intel-rapl:0", 61523451122 + 200 * joule);
  set("intel-rapl:0:0", 12 * joule);
  const auto before = vm().energy_sum(EnergyDomain::dram);
  tick();
  EXPECT_EQ(vm().energy_sum(EnergyDomain::dram) - before, 5 * joule);
  EXPECT_EQ(joules(EnergyDomain::package), 50u);
  EXPECT_EQ(problems_, Lines{});
}

TEST_F(Machine, ReversedPackageNumbersMeetTheWorkOfTheirOwnPackage) {
  boot(layouts::two_sockets, {0, 1});
  set("intel-rapl:0", 35231629289 + 40 * joule);  // package 1
  set("intel-rapl:0:0", 32651449214 + 8 * joule);
  tick();
  EXPECT_EQ(vm().zone(0, EnergyDomain::package).dynamic_uj, 0u);
  EXPECT_EQ(vm().zone(1, EnergyDomain::package).dynamic_uj, 10 * joule);
  EXPECT_EQ(vm().zone(1, EnergyDomain::dram).dynamic_uj, 2 * joule);
}

TEST_F(Machine, BothDiesBelongToTheirPackage) {
  boot(layouts::multi_die, {0});
  set("intel-rapl:0", 71000000000 + 40 * joule);
  set("intel-rapl:1", 52000000000 + 60 * joule);
  set("intel-rapl:0:0", 9000000000 + 4 * joule);
  set("intel-rapl:1:0", 4000000000 + 8 * joule);
  tick();
  EXPECT_EQ(zones(), (Lines{"intel-rapl:0 40 30", "intel-rapl:0:0 4 3", "intel-rapl:1 60 45",
                            "intel-rapl:1:0 8 6"}));
  EXPECT_EQ(joules(EnergyDomain::package), 25u);
  EXPECT_EQ(joules(EnergyDomain::dram), 3u);
}

TEST_F(Machine, AmdsCoreIsNobodysAndItsPackageIsDivided) {
  boot(layouts::amd, {0, 1});
  set("intel-rapl:0", 8826502921 + 40 * joule);
  set("intel-rapl:0:0", 3483880882 + 5 * joule);
  tick();
  EXPECT_EQ(zones(), (Lines{"intel-rapl:0 40 30", "intel-rapl:0:0 5 5", "intel-rapl:1 0 0",
                            "intel-rapl:1:0 0 0"}));
  EXPECT_FALSE(vm().has(EnergyDomain::core));
  EXPECT_EQ(joules(EnergyDomain::package), 10u);
}

TEST_F(Machine, AmdsMirroredDiesAreBookedOnce) {
  boot(layouts::amd_dies, {0});
  for (std::uint64_t i = 1; i <= 10; ++i) {
    set("intel-rapl:0", 10360237493 + i * 40 * joule);
    set("intel-rapl:1", 10359908363 + i * 40 * joule);
    tick();
  }
  EXPECT_EQ(zones(), Lines{"intel-rapl:0 400 300"});
  EXPECT_EQ(problems_.size(), 1u);
}

TEST_F(Machine, AnUnknownZoneHindersNoOther) {
  boot(layouts::unknown_names, {0});
  set("intel-rapl:0", 45 * joule);
  set("intel-rapl:0:0", 21 * joule);
  set("intel-rapl:0:1", 6 * joule);
  tick();
  EXPECT_EQ(zones(), (Lines{"intel-rapl:0 40 30", "intel-rapl:0:1 4 3"}));
  EXPECT_EQ(problems_.size(), 1u);
}

TEST_F(Machine, PsysBetweenPackagesMovesNoPackage) {
  boot(layouts::psys_between, {0, 1});
  set("intel-rapl:1", 60293987000000 + 700 * joule);
  set("intel-rapl:2", 47 * joule);
  tick();
  EXPECT_EQ(zones(), (Lines{"intel-rapl:0 0 0", "intel-rapl:1 700 700", "intel-rapl:2 40 30"}));
  EXPECT_EQ(vm().zone(1, EnergyDomain::package).dynamic_uj, 10 * joule);
}

TEST_F(Machine, AnOldKernelsRangeIsWhereItsCounterWraps) {
  boot(layouts::haswell, {0});
  set("intel-rapl:0", 40 * joule - (262143999938 - 262143900000));
  tick();
  EXPECT_EQ(account_.host().zones[0].energy_uj, 40 * joule);
  EXPECT_EQ(problems_, Lines{});
}

TEST_F(Machine, ADriverThatNumbersItsZonesAnewMovesNoEnergy) {
  boot(layouts::two_sockets, {0, 1});
  dir_.remove("sys");
  tick(10s);
  testing::write_layout(dir_, R"(vendor GenuineIntel
intel-rapl:0   package-0 143113545932 262143328850 165000000
intel-rapl:0:0 dram       26570978739  65712999613
intel-rapl:1   package-1  35271629289 262143328850 165000000
intel-rapl:1:0 dram       32659449214  65712999613
)");
  tick(10s);
  EXPECT_EQ(zones(), (Lines{"intel-rapl:1 40 30", "intel-rapl:1:0 8 6", "intel-rapl:0 100 75",
                            "intel-rapl:0:0 40 30"}));
  for (std::uint32_t i = 0; i < 4; ++i) {
    const auto& zone = account_.host().zones[i];
    EXPECT_EQ(zone.gaps, 1u);
    EXPECT_EQ(zone.gap_ns, 20'000'000'000u);
    EXPECT_EQ(zone.lost_ns, 0u);
    EXPECT_EQ(zone.across_gap_uj, zone.energy_uj);
  }
  EXPECT_EQ(vm().zone(0, EnergyDomain::package).dynamic_uj, 25 * joule);
  EXPECT_EQ(vm().quality[0].across_gap_uj, 35 * joule);
}

TEST_F(Machine, APackageThatGoesAndComesIsFollowed) {
  boot(layouts::two_sockets, {0, 1});
  dir_.remove("sys/class/powercap/intel-rapl:0");
  dir_.remove("sys/class/powercap/intel-rapl:0:0");
  dir_.remove(testing::zone_directory("intel-rapl:0"));
  for (std::uint64_t i = 1; i <= 20; ++i) {
    set("intel-rapl:1", 143013545932 + i * 40 * joule);
    tick();
  }
  EXPECT_EQ(account_.host().zones[2].energy_uj, 800 * joule);
  EXPECT_EQ(account_.host().zones[0].gaps, 1u);
  // It comes back with a counter that began anew: less than before, a wrap of 227 kJ in 20 s.
  testing::write_layout(dir_, "intel-rapl:0 package-1 3000000 262143328850 165000000\n");
  tick(10s);
  EXPECT_EQ(account_.host().zones[0].energy_uj, 0u);
  EXPECT_EQ(account_.host().zones[0].gaps, 1u);
  EXPECT_GE(account_.host().zones[0].lost_ns, 29'000'000'000u);
  set("intel-rapl:0", 43 * joule);
  tick();
  EXPECT_EQ(account_.host().zones[0].energy_uj, 40 * joule);
}

TEST_F(Machine, DisablingAZoneChangesNothing) {
  boot(layouts::server, {0});
  for (const char* enabled : {"0\n", "1\n"}) {
    dir_.write(testing::zone_directory("intel-rapl:0") + "/enabled", enabled);
    set("intel-rapl:0", 61523451122 + (enabled[0] == '0' ? 40 : 80) * joule);
    tick();
  }
  EXPECT_EQ(account_.host().zones[0].energy_uj, 80 * joule);
  EXPECT_EQ(account_.host().zones[0].gaps, 0u);
}

}  // namespace
}  // namespace vpowercap
