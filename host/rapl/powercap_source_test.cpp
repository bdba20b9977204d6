// SPDX-License-Identifier: Apache-2.0
#include "host/rapl/powercap_source.hpp"

#include "host/rapl/reading_lines_test.hpp"
#include "tests/support/fake_powercap.hpp"

namespace vpowercap {
namespace {

using testing::lines;
using testing::messages;
using testing::TempDir;
using testing::write_zone;
using Lines = std::vector<std::string>;
using std::chrono::seconds;

/// Two packages, read through one source.
class Source : public ::testing::Test {
 protected:
  Source() {
    write_zone(dir_, "intel-rapl:0", "package-0", 100, 1000);
    write_zone(dir_, "intel-rapl:1", "package-1", 200, 1000);
  }
  Lines sampled() { return lines(source_.sample()); }
  Lines told() { return messages(source_.take_problems()); }
  void expect_told(const std::string& file) {
    const auto all = told();
    ASSERT_EQ(all.size(), 1u) << ::testing::PrintToString(all);
    EXPECT_NE(all[0].find(dir_.path(file)), std::string::npos) << all[0];
  }

  TempDir dir_;
  FakeClock clock_;
  PowercapSource source_{dir_.path(), clock_};
};

const std::string zone_0 = "intel-rapl:0 package-0 0 package ";
const std::string zone_1 = "intel-rapl:1 package-1 1 package ";

TEST_F(Source, GivesRawValuesAndLeavesTheWrapToItsCaller) {
  EXPECT_EQ(source_.method(), Method::rapl);
  EXPECT_EQ(sampled(), (Lines{zone_0 + "100", zone_1 + "200"}));
  dir_.write("intel-rapl:0/energy_uj", "990\n");
  EXPECT_EQ(sampled(), (Lines{zone_0 + "990", zone_1 + "200"}));
  dir_.write("intel-rapl:0/energy_uj", "3\n");
  EXPECT_EQ(sampled(), (Lines{zone_0 + "3", zone_1 + "200"}));
  EXPECT_EQ(source_.sample().at(0).max_energy_range_uj, 1000u);
  EXPECT_EQ(told(), Lines{});
}

/// Moves on by one second at each look.
class TickingClock final : public Clock {
 public:
  [[nodiscard]] Nanoseconds now() const override { return now_ += seconds(1); }

 private:
  mutable Nanoseconds now_{0};
};

TEST_F(Source, TimesAReadingAtTheMiddleOfItsRead) {
  const TickingClock clock;
  PowercapSource source(dir_.path(), clock, CpuVendor::intel, std::chrono::hours(1));
  const auto readings = source.sample();
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ((readings[0].taken - Nanoseconds(0)) % seconds(1), std::chrono::milliseconds(500));
  EXPECT_EQ(readings[1].taken - readings[0].taken, seconds(2));
}

TEST_F(Source, AnUnreadableZoneIsAGapToldOnceUntilItComesBack) {
  ASSERT_EQ(sampled().size(), 2u);
  dir_.write("intel-rapl:0/energy_uj", "garbage\n");
  for (int tick = 0; tick < 25; ++tick, clock_.advance(seconds(1))) {
    EXPECT_EQ(sampled(), (Lines{zone_1 + "200", zone_0 + "gap"})) << tick;
    if (tick == 0) expect_told("intel-rapl:0/energy_uj");
    EXPECT_EQ(told(), Lines{}) << tick;
  }
  dir_.write("intel-rapl:0/energy_uj", "500\n");
  clock_.advance(seconds(10));
  EXPECT_EQ(sampled(), (Lines{zone_0 + "500", zone_1 + "200"}));
  EXPECT_EQ(told(), Lines{});
  dir_.write("intel-rapl:0/energy_uj", "");
  EXPECT_EQ(sampled(), (Lines{zone_1 + "200", zone_0 + "gap"}));
  expect_told("intel-rapl:0/energy_uj");
}

TEST_F(Source, ADirectoryInPlaceOfACounterIsAGapFromTheNextScanOn) {
  ASSERT_EQ(sampled().size(), 2u);
  dir_.remove("intel-rapl:0/energy_uj");
  dir_.make_directory("intel-rapl:0/energy_uj");
  clock_.advance(seconds(10));
  EXPECT_EQ(sampled(), (Lines{zone_1 + "200", zone_0 + "gap"}));
  expect_told("intel-rapl:0/energy_uj");
}

TEST_F(Source, AMalformedZoneIsToldOnceNotAtEveryScan) {
  write_zone(dir_, "intel-rapl:2", "package-2", 300, 1000);
  dir_.remove("intel-rapl:2/max_energy_range_uj");
  EXPECT_EQ(sampled(), (Lines{zone_0 + "100", zone_1 + "200"}));
  expect_told("intel-rapl:2/max_energy_range_uj");
  for (int scan = 0; scan < 3; ++scan) {
    clock_.advance(seconds(10));
    EXPECT_EQ(sampled(), (Lines{zone_0 + "100", zone_1 + "200"}));
    EXPECT_EQ(told(), Lines{});
  }
  dir_.write("intel-rapl:2/max_energy_range_uj", "1000\n");
  clock_.advance(seconds(10));
  EXPECT_EQ(sampled().size(), 3u);
  dir_.remove("intel-rapl:2/max_energy_range_uj");
  clock_.advance(seconds(10));
  EXPECT_EQ(sampled().back(), "intel-rapl:2 package-2 2 package gap");
  expect_told("intel-rapl:2/max_energy_range_uj");
}

TEST_F(Source, AZoneThatIsGoneIsLeftOutAndFoundAgain) {
  ASSERT_EQ(sampled().size(), 2u);
  dir_.remove("intel-rapl:0");
  clock_.advance(seconds(10));
  EXPECT_EQ(sampled(), Lines{zone_1 + "200"});
  expect_told("intel-rapl:0");
  clock_.advance(seconds(10));
  EXPECT_EQ(sampled(), Lines{zone_1 + "200"});
  EXPECT_EQ(told(), Lines{});
  write_zone(dir_, "intel-rapl:0", "package-0", 7, 1000);
  clock_.advance(seconds(9));
  EXPECT_EQ(sampled(), Lines{zone_1 + "200"});
  clock_.advance(seconds(1));
  EXPECT_EQ(sampled(), (Lines{zone_0 + "7", zone_1 + "200"}));
}

TEST_F(Source, AFreshFileIsFoundAtOnceWhenTheKeptOneFails) {
  ASSERT_EQ(sampled().size(), 2u);
  // The kept descriptor stays with the spoiled file; a new one has the zone's name.
  dir_.write("intel-rapl:0/energy_uj", "");
  std::rename(dir_.path("intel-rapl:0/energy_uj").c_str(), dir_.path("spoiled").c_str());
  dir_.write("intel-rapl:0/energy_uj", "123\n");
  EXPECT_EQ(sampled(), (Lines{zone_0 + "123", zone_1 + "200"}));
  expect_told("intel-rapl:0/energy_uj");
}

TEST_F(Source, AMissingDirectoryIsToldOnceAndItsZonesAreFoundLater) {
  PowercapSource source(dir_.path("class/powercap"), clock_);
  EXPECT_EQ(lines(source.sample()), Lines{});
  EXPECT_EQ(source.take_problems().size(), 1u);
  clock_.advance(seconds(10));
  EXPECT_EQ(lines(source.sample()), Lines{});
  EXPECT_EQ(source.take_problems().size(), 0u);
  write_zone(dir_, "class/powercap/intel-rapl:0", "package-0", 9, 1000);
  clock_.advance(seconds(10));
  EXPECT_EQ(lines(source.sample()), Lines{zone_0 + "9"});
  dir_.remove("class");
  clock_.advance(seconds(10));
  EXPECT_EQ(lines(source.sample()), Lines{});
  EXPECT_EQ(source.take_problems().size(), 1u);
}

TEST_F(Source, CountsAPackageOnceThoughTwoControlTypesShowIt) {
  write_zone(dir_, "intel-rapl-mmio:0", "package-0", 101, 1000);
  write_zone(dir_, "intel-rapl-mmio:1", "package-2", 300, 1000);
  EXPECT_EQ(sampled(),
            (Lines{zone_0 + "100", zone_1 + "200", "intel-rapl-mmio:1 package-2 2 package 300"}));
}

TEST_F(Source, AnotherControlTypeDoesNotStepInForAnOutage) {
  write_zone(dir_, "intel-rapl-mmio:0", "package-0", 101, 1000);
  ASSERT_EQ(sampled().size(), 2u);
  dir_.write("intel-rapl:0/energy_uj", "");
  EXPECT_EQ(sampled(), (Lines{zone_1 + "200", zone_0 + "gap"}));
  clock_.advance(seconds(10));
  EXPECT_EQ(sampled(), (Lines{zone_1 + "200", zone_0 + "gap"}));
}

TEST_F(Source, AnotherControlTypeCountsWhereThePreferredOneIsAbsent) {
  write_zone(dir_, "intel-rapl-mmio:0", "package-0", 101, 1000);
  ASSERT_EQ(sampled().size(), 2u);
  dir_.remove("intel-rapl:0");
  clock_.advance(seconds(10));
  EXPECT_EQ(sampled(), (Lines{zone_1 + "200", "intel-rapl-mmio:0 package-0 0 package 101"}));
}

}  // namespace
}  // namespace vpowercap
