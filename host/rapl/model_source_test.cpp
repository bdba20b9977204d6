// SPDX-License-Identifier: Apache-2.0
#include "host/rapl/model_source.hpp"

#include "host/rapl/reading_lines_test.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::lines;
using testing::TempDir;

constexpr std::uint64_t range = ModelSource::max_energy_range_uj;
constexpr ModelPower power{10'000'000, 65'000'000};

/// A host whose CPUs a test keeps busy; their times are in hundredths of a second (USER_HZ).
class Model : public ::testing::Test {
 protected:
  explicit Model(unsigned packages = 1) : busy_(2 * packages) {
    for (unsigned cpu = 0; cpu < busy_.size(); ++cpu)
      dir_.write("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/physical_package_id",
                 std::to_string(cpu / 2) + "\n");
    write();
  }
  void write() const {
    std::string text = "cpu  0 0 0 0 0 0 0 0 0 0\n";
    for (unsigned cpu = 0; cpu < busy_.size(); ++cpu)
      text += "cpu" + std::to_string(cpu) + " " + std::to_string(busy_[cpu]) + " 0 0 0 0 0 0 0 0 0\n";
    dir_.write("proc/stat", text);
  }
  /// Lets `time` pass with CPU i busy for `hundredths[i]` of a second; returns package p's counter.
  std::uint64_t pass(Nanoseconds time, std::vector<std::uint64_t> hundredths, std::size_t package = 0) {
    clock_.advance(time);
    for (std::size_t cpu = 0; cpu < hundredths.size(); ++cpu) busy_[cpu] += hundredths[cpu];
    write();
    return *source_.sample().at(package).raw_uj;
  }

  TempDir dir_;
  FakeClock clock_;
  std::vector<std::uint64_t> busy_;
  ModelSource source_{power, clock_, dir_.path("proc"), dir_.path("sys")};
};

class ModelOfTwoPackages : public Model {
 protected:
  ModelOfTwoPackages() : Model(2) {}
};

TEST_F(Model, IsLabelledAndLooksLikeARealPackage) {
  EXPECT_EQ(source_.method(), Method::model);
  const auto readings = source_.sample();
  ASSERT_EQ(readings.size(), 1u);
  EXPECT_EQ(readings[0].id, "intel-rapl:0");
  EXPECT_EQ(readings[0].name, "package-0");
  EXPECT_EQ(readings[0].max_energy_range_uj, 262143328850u);
  EXPECT_EQ(readings[0].taken, clock_.now());
}

TEST_F(Model, AllCpusBusyGiveTheMaximumPowerExactly) {
  const auto start = pass(seconds(0), {0, 0});
  EXPECT_GT(start, 0u);
  EXPECT_EQ(pass(seconds(1), {100, 100}), start + 65'000'000);
}

TEST_F(Model, IdleCpusGiveTheIdlePowerExactly) {
  const auto start = pass(seconds(0), {0, 0});
  EXPECT_EQ(pass(seconds(7), {0, 0}), start + 70'000'000);
}

TEST_F(Model, BetweenThemPowerFollowsUtilisation) {
  const auto start = pass(seconds(0), {0, 0});
  EXPECT_EQ(pass(seconds(2), {100, 0}), start + 2 * 10'000'000 + 2 * 55'000'000 / 4);
}

TEST_F(Model, UtilisationEndsAtOne) {
  const auto start = pass(seconds(0), {0, 0});
  EXPECT_EQ(pass(seconds(1), {300, 100}), start + 65'000'000);
}

TEST_F(Model, FractionsOfAMicrojouleAreCarried) {
  const auto start = pass(seconds(0), {0, 0});
  std::uint64_t last = start;
  for (int tick = 0; tick < 1000; ++tick) last = pass(Nanoseconds(1'000'333), {0, 0});
  EXPECT_EQ(last, start + 10'003'330);
}

TEST_F(Model, ASourceMadeAnewGoesOnWhereTheOldOneWas) {
  ASSERT_GT(pass(seconds(0), {0, 0}), 0u);
  const auto last = pass(milliseconds(1500), {70, 11});
  ModelSource second(power, clock_, dir_.path("proc"), dir_.path("sys"));
  EXPECT_EQ(second.sample().at(0).raw_uj, last);
}

TEST_F(Model, WrapsAtItsRange) {
  auto last = pass(seconds(0), {0, 0});
  bool wrapped = false;
  for (int step = 0; step < 10 && !wrapped; ++step) {
    const auto now = pass(seconds(4000), {0, 0});  // 40 kJ
    wrapped = now < last;
    EXPECT_EQ(wrapped ? range - last + now : now - last, 40'000'000'000u);
    last = now;
  }
  EXPECT_TRUE(wrapped);
}

TEST_F(Model, CpusThatGoAndComeBackBringNoSpike) {
  auto last = pass(seconds(0), {0, 0});
  dir_.write("proc/stat", "cpu0 0 0 0 0\n");
  clock_.advance(seconds(1));
  EXPECT_EQ(source_.sample().at(0).raw_uj, last + 10'000'000);
  busy_[1] = 90'000'000;
  EXPECT_EQ(pass(seconds(1), {0, 0}), last + 20'000'000);
}

TEST_F(Model, AnUnreadableStatIsAGapToldOnceWhoseEnergyIsCountedLater) {
  const auto start = pass(seconds(0), {0, 0});
  for (const char* text : {"", "cpu0 abc\n"}) {
    dir_.write("proc/stat", text);
    clock_.advance(seconds(1));
    EXPECT_EQ(lines(source_.sample()),
              std::vector<std::string>{"intel-rapl:0 package-0 0 package gap"});
  }
  const auto problems = source_.take_problems();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].message.find(dir_.path("proc/stat")), std::string::npos);
  EXPECT_EQ(pass(seconds(1), {300, 300}), start + 3 * 65'000'000);
}

TEST_F(Model, WithoutCpusThereAreNoZonesAndOneProblem) {
  ModelSource source(power, clock_, dir_.path("proc"), dir_.path("nothing"));
  EXPECT_TRUE(source.sample().empty());
  EXPECT_TRUE(source.sample().empty());
  EXPECT_EQ(source.take_problems().size(), 1u);
}

TEST_F(ModelOfTwoPackages, ShareThePowerAndFollowTheirOwnCpus) {
  const auto first = pass(seconds(0), {0, 0, 0, 0}, 0);
  const auto second = pass(seconds(0), {0, 0, 0, 0}, 1);
  pass(seconds(1), {100, 100, 0, 0});
  const auto readings = source_.sample();
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].raw_uj, first + 32'500'000);
  EXPECT_EQ(readings[1].raw_uj, second + 5'000'000);
  EXPECT_EQ(readings[1].id, "intel-rapl:1");
  EXPECT_EQ(readings[1].package, 1u);
}

}  // namespace
}  // namespace vpowercap
