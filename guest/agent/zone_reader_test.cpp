// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/zone_reader.hpp"

#include <fcntl.h>

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using std::chrono::seconds;

struct Reader : ::testing::Test {
  testing::TempDir dir;
  Nanoseconds now{std::chrono::hours(1)};
  ZoneReader reader{dir.path("powercap")};

  void energy(const std::string& id, const std::string& value) const {
    dir.write("powercap/" + id + "/energy_uj", value + "\n");
  }
  void zone(const std::string& id, const std::string& name, const std::string& value) const {
    dir.write("powercap/" + id + "/name", name + "\n");
    dir.write("powercap/" + id + "/max_energy_range_uj", "262143328850\n");
    energy(id, value);
  }
  ZoneReadings read_after(Nanoseconds time) { return reader.read(now += time); }
};

TEST_F(Reader, ShowsEachZoneWithItsTotalAndPower) {
  zone("intel-rapl:0", "package-0", "5000000");
  zone("intel-rapl:0:0", "dram", "1000000");
  auto first = reader.read(now);
  ASSERT_EQ(first.zones.size(), 2u);
  EXPECT_EQ(first.zones[0].info.id, "intel-rapl:0");
  EXPECT_EQ(first.zones[0].total.count, 5'000'000u);
  EXPECT_FALSE(first.zones[0].power_uw);
  EXPECT_EQ(first.zones[1].info.domain, EnergyDomain::dram);
  energy("intel-rapl:0", "47000000");
  const auto second = read_after(seconds(2));
  EXPECT_EQ(second.zones[0].power_uw, 21'000'000u);
  EXPECT_EQ(second.zones[1].power_uw, 0u);
  EXPECT_TRUE(second.problems.empty());
}

TEST_F(Reader, CountsOnAcrossAWrap) {
  zone("intel-rapl:0", "package-0", "262143328000");
  (void)reader.read(now);
  energy("intel-rapl:0", "150");
  EXPECT_EQ(read_after(seconds(1)).zones.at(0).total.count, 262'143'329'000u);
}

TEST_F(Reader, AZoneThatFailsIsAbsentAndCountedAndTheOthersGoOn) {
  zone("intel-rapl:0", "package-0", "10");
  zone("intel-rapl:1", "package-1", "20");
  (void)reader.read(now);
  dir.write("powercap/intel-rapl:0/energy_uj", "nonsense\n");
  const auto readings = read_after(seconds(1));
  ASSERT_EQ(readings.zones.size(), 1u);
  EXPECT_EQ(readings.zones[0].info.id, "intel-rapl:1");
  EXPECT_EQ(readings.read_errors.at("intel-rapl:0"), 1u);
  EXPECT_EQ(readings.read_errors.at("intel-rapl:1"), 0u);
  ASSERT_EQ(readings.problems.size(), 1u);
  EXPECT_NE(readings.problems[0].message.find("intel-rapl:0/energy_uj"), std::string::npos);
  energy("intel-rapl:0", "12");
  const auto healed = read_after(seconds(1));
  ASSERT_EQ(healed.zones.size(), 2u);
  EXPECT_EQ(healed.zones[0].total.count, 12u);
  EXPECT_EQ(healed.zones[0].power_uw, 1u) << "the mean over both seconds";
}

TEST_F(Reader, HealsWhenTheTreeWasGoneAndIsBack) {
  zone("intel-rapl:0", "package-0", "1000000");
  (void)reader.read(now);
  dir.remove("powercap");
  // Descriptors of removed files still read here, unlike those of a lost share: only the periodic
  // look finds out.
  const auto gone = read_after(seconds(10));
  EXPECT_TRUE(gone.zones.empty());
  EXPECT_EQ(gone.read_errors.at("intel-rapl:0"), 1u);
  ASSERT_EQ(gone.problems.size(), 1u);
  EXPECT_EQ(gone.problems[0].code, ENOENT);
  EXPECT_EQ(read_after(seconds(1)).read_errors.at("intel-rapl:0"), 2u);
  zone("intel-rapl:0", "package-0", "63000000");
  const auto back = read_after(seconds(1));
  ASSERT_EQ(back.zones.size(), 1u);
  EXPECT_EQ(back.zones[0].total.count, 63'000'000u) << "goes on from its counter";
  EXPECT_EQ(back.zones[0].power_uw, 62'000'000u / 12) << "the mean over the loss, no spike";
  EXPECT_TRUE(back.problems.empty());
}

TEST_F(Reader, AZoneThatComesBackFromZeroNeitherSpikesNorGoesBack) {
  zone("intel-rapl:0", "package-0", "60000000000");
  (void)reader.read(now);
  dir.remove("powercap");
  (void)read_after(seconds(30));
  zone("intel-rapl:0", "package-0", "1000");
  const auto back = read_after(seconds(1));  // as a wrap it would be 202 kJ in 31 s
  ASSERT_EQ(back.zones.size(), 1u);
  EXPECT_EQ(back.zones[0].total.count, 60'000'000'000u);
  EXPECT_FALSE(back.zones[0].power_uw);
  EXPECT_EQ(back.gaps.at("intel-rapl:0"), 1u);
  energy("intel-rapl:0", "1500");
  EXPECT_EQ(read_after(seconds(1)).zones.at(0).total.count, 60'000'000'500u);
}

TEST_F(Reader, FindsZonesThatAppearLater) {
  EXPECT_EQ(reader.read(now).problems.at(0).code, ENOENT);
  zone("intel-rapl:0", "package-0", "1");
  EXPECT_EQ(read_after(seconds(1)).zones.size(), 1u);
  zone("intel-rapl:1", "package-1", "1");
  EXPECT_EQ(read_after(seconds(10)).zones.size(), 2u);
}

/// A file that opens but whose every read fails with an error of the device's kind (here EISDIR).
UniqueFd dead_descriptor() { return UniqueFd(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }

TEST_F(Reader, ADeadDescriptorIsOpenedAgainWithinTheSameReading) {
  zone("intel-rapl:0", "package-0", "1000");
  int scans = 0;
  ZoneReader kept(dir.path("powercap"), [&](const std::string& path) {
    auto scan = scan_powercap(path);
    if (++scans == 2) {
      const auto info = scan.zones.at(0).info();
      scan.zones.clear();
      scan.zones.emplace_back(info, "dead", dead_descriptor());
    }
    return scan;
  });
  EXPECT_EQ(kept.read(now).zones.size(), 1u);
  EXPECT_TRUE(kept.read(now + seconds(31)).zones.empty()) << "the second look brought a dead one";
  energy("intel-rapl:0", "2000");
  const auto healed = kept.read(now + seconds(32));
  ASSERT_EQ(healed.zones.size(), 1u);
  EXPECT_EQ(healed.zones[0].total.count, 2000u);
  EXPECT_EQ(healed.read_errors.at("intel-rapl:0"), 1u);
  EXPECT_EQ(scans, 3);
}

TEST_F(Reader, DescriptorsThatDieBetweenLooksCostNoReading) {
  zone("intel-rapl:0", "package-0", "1000");
  int scans = 0;
  int pipe_ends[2];
  ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  const UniqueFd write_end(pipe_ends[1]);
  // The first look's descriptor is replaced in place by one that cannot be read at an offset.
  int kept_fd = -1;
  ZoneReader kept(dir.path("powercap"), [&](const std::string& path) {
    ++scans;
    auto scan = scan_powercap(path);
    if (scans == 1) {
      const auto info = scan.zones.at(0).info();
      kept_fd = ::open(dir.path("powercap/intel-rapl:0/energy_uj").c_str(), O_RDONLY | O_CLOEXEC);
      scan.zones.clear();
      scan.zones.emplace_back(info, "kept", UniqueFd(kept_fd));
    }
    return scan;
  });
  EXPECT_EQ(kept.read(now).zones.size(), 1u);
  ASSERT_EQ(::dup3(pipe_ends[0], kept_fd, O_CLOEXEC), kept_fd);
  ::close(pipe_ends[0]);
  energy("intel-rapl:0", "3000");
  const auto readings = kept.read(now + seconds(1));
  ASSERT_EQ(readings.zones.size(), 1u);
  EXPECT_EQ(readings.zones[0].total.count, 3000u);
  EXPECT_EQ(readings.read_errors.at("intel-rapl:0"), 0u);
  EXPECT_EQ(scans, 2);
}

TEST(ExplainNoZones, SaysWhatToDo) {
  EXPECT_NE(explain_no_zones("/p", {{ENOENT, "no"}}).find("vpowercap-guest mount"), std::string::npos);
  EXPECT_NE(explain_no_zones("/p", {}).find("modprobe intel_rapl_msr"), std::string::npos);
  EXPECT_NE(explain_no_zones("/p", {{EACCES, "no"}}).find("as root"), std::string::npos);
  EXPECT_NE(explain_no_zones("/p", {{EINVAL, "/p/z/name is empty"}}).find("/p/z/name is empty"),
            std::string::npos);
}

}  // namespace
}  // namespace vpowercap
