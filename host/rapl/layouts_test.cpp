// SPDX-License-Identifier: Apache-2.0
// The zones that real kinds of machines show.
#include "host/rapl/make_source.hpp"
#include "host/rapl/reading_lines_test.hpp"
#include "tests/support/powercap_layouts.hpp"

namespace vpowercap {
namespace {

using testing::lines;
using testing::TempDir;
using Lines = std::vector<std::string>;
namespace layouts = testing::layouts;

class Layout : public ::testing::Test {
 protected:
  std::vector<ZoneReading> readings(const char* layout) {
    testing::write_layout(dir_, layout);
    EnergyOptions options;
    options.sysfs_root = dir_.path("sys");
    options.proc_root = dir_.path("proc");
    const auto source = make_energy_source(options, clock_);
    EXPECT_TRUE(source) << source.error().message;
    auto all = (*source)->sample();
    problems_ = testing::messages((*source)->take_problems());
    return all;
  }
  Lines sampled(const char* layout) {
    auto all = lines(readings(layout));
    EXPECT_EQ(problems_, Lines{});
    return all;
  }
  TempDir dir_;
  FakeClock clock_;
  Lines problems_;
};

TEST_F(Layout, ClientWithCoreUncoreAndPsys) {
  EXPECT_EQ(
      sampled(layouts::client),
      (Lines{"intel-rapl:0 package-0 0 package 26716954797", "intel-rapl:0:0 core 0 core 12628860370",
             "intel-rapl:0:1 uncore 0 uncore 2711815506", "intel-rapl:1 psys 0 psys 850171102"}));
}

TEST_F(Layout, MmioBesideMsrIsReadOnce) {
  EXPECT_EQ(
      sampled(layouts::laptop_with_mmio),
      (Lines{"intel-rapl:0 package-0 0 package 26716954797", "intel-rapl:0:0 core 0 core 12628860370",
             "intel-rapl:0:1 uncore 0 uncore 2711815506", "intel-rapl:1 psys 0 psys 850171102"}));
}

TEST_F(Layout, ServerOfOneSocketWithDram) {
  EXPECT_EQ(sampled(layouts::server), (Lines{"intel-rapl:0 package-0 0 package 61523451122",
                                             "intel-rapl:0:0 dram 0 dram 20333200122"}));
}

TEST_F(Layout, ServerWhosePackagesRunAgainstItsZones) {
  EXPECT_EQ(sampled(layouts::two_sockets), (Lines{"intel-rapl:0 package-1 1 package 35231629289",
                                                  "intel-rapl:0:0 dram 1 dram 32651449214",
                                                  "intel-rapl:1 package-0 0 package 143013545932",
                                                  "intel-rapl:1:0 dram 0 dram 26530978739"}));
}

TEST_F(Layout, DiesOfAnIntelPackageAreCountersOfTheirOwn) {
  const auto all = readings(layouts::multi_die);
  EXPECT_EQ(lines(all), (Lines{"intel-rapl:0 package-0-die-0 0 package 71000000000",
                               "intel-rapl:0:0 dram 0 dram 9000000000",
                               "intel-rapl:1 package-0-die-1 0 package 52000000000",
                               "intel-rapl:1:0 dram 0 dram 4000000000"}));
  EXPECT_EQ(all[1].die, 0u);
  EXPECT_EQ(all[2].die, 1u);
  EXPECT_EQ(all[3].die, 1u);
  for (const auto& reading : all) EXPECT_TRUE(reading.is_one_die) << reading.id;
}

TEST_F(Layout, AmdsCoreIsTheHostsOnly) {
  const auto all = readings(layouts::amd);
  EXPECT_EQ(
      lines(all),
      (Lines{"intel-rapl:0 package-1 1 package 8826502921", "intel-rapl:0:0 core 1 core 3483880882",
             "intel-rapl:1 package-0 0 package 13719626935", "intel-rapl:1:0 core 0 core 8334677327"}));
  for (const auto& reading : all)
    EXPECT_EQ(reading.is_host_only, reading.domain == EnergyDomain::core) << reading.id;
}

TEST_F(Layout, IntelsCoreIsDivided) {
  for (const auto& reading : readings(layouts::client))
    EXPECT_EQ(reading.is_host_only, reading.domain == EnergyDomain::psys) << reading.id;
}

TEST_F(Layout, DiesThatMirrorAmdsOneCounterAreReadOnceAndSaidSo) {
  const auto all = readings(layouts::amd_dies);
  ASSERT_EQ(lines(all), Lines{"intel-rapl:0 package-0-die-0 0 package 10360237493"});
  EXPECT_FALSE(all[0].is_one_die);
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_NE(problems_[0].find("intel-rapl:1 (package-0-die-1)"), std::string::npos) << problems_[0];
}

TEST_F(Layout, ANameUnknownToUsIsOneProblemAndTheOthersGoOn) {
  EXPECT_EQ(lines(readings(layouts::unknown_names)),
            (Lines{"intel-rapl:0 package-0 0 package 5000000", "intel-rapl:0:1 dram 0 dram 2000000"}));
  ASSERT_EQ(problems_.size(), 1u);
  EXPECT_NE(problems_[0].find("\"accel\""), std::string::npos) << problems_[0];
}

TEST_F(Layout, PsysBetweenThePackages) {
  EXPECT_EQ(sampled(layouts::psys_between), (Lines{"intel-rapl:0 package-0 0 package 5000000",
                                                   "intel-rapl:1 psys 0 psys 60293987000000",
                                                   "intel-rapl:2 package-1 1 package 7000000"}));
}

TEST_F(Layout, HaswellOfAnOldKernelHasARangeOfItsOwn) {
  const auto all = readings(layouts::haswell);
  ASSERT_EQ(all.size(), 4u);
  for (const auto& reading : all) EXPECT_EQ(reading.max_energy_range_uj, 262143999938u);
}

TEST_F(Layout, ZonesAreBoundByWhatTheyAreBuiltFor) {
  constexpr std::uint64_t watt = 1'000'000;
  const auto small = readings(layouts::client);  // 15 W
  EXPECT_EQ(small[0].power_bound_uw, 250 * watt);
  EXPECT_EQ(small[1].power_bound_uw, 250 * watt);
  EXPECT_EQ(small[3].power_bound_uw, 5000 * watt);
}

TEST_F(Layout, ServersAreBoundByFourTimesTheirDesignPower) {
  const auto all = readings(layouts::two_sockets);  // 165 W
  EXPECT_EQ(all[0].power_bound_uw, 660'000'000u);
  EXPECT_EQ(all[1].power_bound_uw, 500'000'000u);
}

TEST_F(Layout, AmdSaysNoDesignPower) {
  EXPECT_EQ(readings(layouts::amd)[0].power_bound_uw, 1'000'000'000u);
}

}  // namespace
}  // namespace vpowercap
