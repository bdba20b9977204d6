// SPDX-License-Identifier: Apache-2.0
#include "host/rapl/mirror_filter.hpp"

#include "host/rapl/cpu_vendor.hpp"
#include "host/rapl/power_bound.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

constexpr std::uint64_t joule = 1'000'000;
constexpr std::uint64_t range = 65'532'610'987;
using Raw = std::optional<std::uint64_t>;

/// A package of two dies; what is left of them is told by their numbers.
struct Dies : ::testing::Test {
  MirrorFilter filter;

  static ZoneReading die(std::uint32_t number, Raw raw) {
    ZoneReading reading{"intel-rapl:" + std::to_string(number),
                        "package-0-die-" + std::to_string(number),
                        EnergyDomain::package,
                        0,
                        range,
                        raw,
                        std::chrono::seconds(1)};
    reading.die = number;
    reading.power_bound_uw = 1000 * joule;
    return reading;
  }
  std::string left(Raw first, Raw second) {
    std::vector<ZoneReading> readings{die(0, first), die(1, second)};
    filter.apply(readings);
    std::string numbers;
    for (const auto& reading : readings) numbers += std::to_string(reading.die);
    return numbers;
  }
  std::size_t told() { return filter.take_problems().size(); }
};

TEST_F(Dies, WithOneCounterAreCountedOnceFromTheFirstReadingOn) {
  EXPECT_EQ(left(10'360 * joule, 10'361 * joule), "0");
  EXPECT_EQ(told(), 1u);
  for (std::uint64_t i = 1; i < 20; ++i)
    EXPECT_EQ(left((10'360 + 100 * i) * joule, (10'359 + 100 * i) * joule), "0");
  EXPECT_EQ(told(), 0u);
}

TEST_F(Dies, WithCountersOfTheirOwnAreBothCounted) {
  EXPECT_EQ(left(10'360 * joule, 9'000 * joule), "01");
  for (std::uint64_t i = 1; i < 20; ++i)
    EXPECT_EQ(left((10'360 + 100 * i) * joule, (9'000 + 80 * i) * joule), "01");
  EXPECT_EQ(told(), 0u);
}

TEST_F(Dies, MirrorEachOtherAcrossAWrap) {
  EXPECT_EQ(left(range - joule, range - joule), "0");
  EXPECT_EQ(left(range - joule, joule), "0");
  EXPECT_EQ(left(joule, range - joule), "0");
}

TEST_F(Dies, ThatPartAreTwoAfterSomeReadings) {
  ASSERT_EQ(left(100 * joule, 100 * joule), "0");
  ASSERT_EQ(told(), 1u);
  std::uint64_t at = 0;
  for (int i = 1; i < MirrorFilter::needed; ++i) {
    at += 50;
    EXPECT_EQ(left((100 + at) * joule, (100 + at / 2) * joule), "0") << i;
  }
  EXPECT_EQ(left((150 + at) * joule, (100 + at / 2) * joule), "01");
  EXPECT_EQ(told(), 1u);
}

TEST_F(Dies, OneOddReadingChangesNothing) {
  ASSERT_EQ(left(100 * joule, 100 * joule), "0");
  for (std::uint64_t i = 1; i < 50; ++i)
    EXPECT_EQ(left((100 + i) * joule, i % 4 == 0 ? 0 : (100 + i) * joule), "0") << i;
}

TEST_F(Dies, ThatMeetForAWhileWithoutMovingStayTwo) {
  ASSERT_EQ(left(100 * joule, 200 * joule), "01");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(left(200 * joule, 200 * joule), "01");
}

TEST_F(Dies, AnUnreadableOneIsNeverCountedTwice) {
  EXPECT_EQ(left({}, 100 * joule), "0");
  EXPECT_EQ(left(100 * joule, {}), "0");
  EXPECT_EQ(left(100 * joule, 100 * joule), "0");
  EXPECT_EQ(left({}, 110 * joule), "0");
}

TEST(MirrorFilterOf, OtherZonesStay) {
  MirrorFilter filter;
  std::vector<ZoneReading> readings;
  for (std::uint32_t package = 0; package < 2; ++package)
    readings.push_back({"intel-rapl:" + std::to_string(package),
                        "package-" + std::to_string(package),
                        EnergyDomain::package,
                        package,
                        range,
                        5,
                        {}});
  filter.apply(readings);
  EXPECT_EQ(readings.size(), 2u);
}

TEST(CpuVendorOf, CpuinfoIsTold) {
  const testing::TempDir dir;
  EXPECT_EQ(read_cpu_vendor(dir.path()), CpuVendor::other);
  const auto vendor = [&](const std::string& name) {
    dir.write("cpuinfo", "processor\t: 0\nvendor_id\t: " + name + "\nflags\t: fpu\n");
    return read_cpu_vendor(dir.path());
  };
  EXPECT_EQ(vendor("GenuineIntel"), CpuVendor::intel);
  EXPECT_EQ(vendor("AuthenticAMD"), CpuVendor::amd);
  EXPECT_EQ(vendor("HygonGenuine"), CpuVendor::amd);
  EXPECT_EQ(vendor("CentaurHauls"), CpuVendor::other);
  dir.write("cpuinfo", "processor\t: 0\nvendor_id\t: Auth");
  EXPECT_EQ(read_cpu_vendor(dir.path()).error().message, dir.path("cpuinfo") + " is cut off");
}

TEST(PowerBound, LeavesRoomForTurboAndOrdinaryGaps) {
  EXPECT_EQ(power_bound(EnergyDomain::package, 6 * joule), 250 * joule);
  EXPECT_EQ(power_bound(EnergyDomain::package, 95 * joule), 380 * joule);
  EXPECT_EQ(power_bound(EnergyDomain::core, 500 * joule), 1500 * joule);
  EXPECT_EQ(power_bound(EnergyDomain::package, UINT64_MAX), 1500 * joule);
  // The longest tick on AMD: no second wrap of 65.5 kJ within it.
  EXPECT_LT(power_bound(EnergyDomain::package, 0) * 60, range);
  EXPECT_LT(power_bound(EnergyDomain::dram, 0) * 60, range);
}

}  // namespace
}  // namespace vpowercap
