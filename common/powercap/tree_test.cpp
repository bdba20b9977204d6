// SPDX-License-Identifier: Apache-2.0
#include "common/powercap/tree.hpp"

#include "tests/support/fake_powercap.hpp"

namespace vpowercap {
namespace {

using testing::TempDir;
using testing::write_zone;

/// "id name package domain" of every zone, and the problems.
std::vector<std::string> shown(const PowercapScan& scan) {
  std::vector<std::string> lines;
  for (const auto& zone : scan.zones)
    lines.push_back(zone.info().id + " " + zone.info().name + " " +
                    std::to_string(zone.info().package) + " " +
                    std::string(to_string(zone.info().domain)));
  for (const auto& problem : scan.problems) lines.push_back("problem: " + problem.message);
  return lines;
}
using Lines = std::vector<std::string>;

TEST(ScanPowercap, FindsAClientsZonesWithPsysAndMmio) {
  const TempDir dir;
  dir.write("intel-rapl/enabled", "1\n");
  dir.make_directory("intel-rapl-mmio");
  write_zone(dir, "intel-rapl:0", "package-0", 240422366267);
  write_zone(dir, "intel-rapl:0:0", "core", 118821284256);
  write_zone(dir, "intel-rapl:0:1", "uncore", 1268917);
  write_zone(dir, "intel-rapl:1", "psys", 850171102);
  write_zone(dir, "intel-rapl-mmio:0", "package-0", 240422366270);
  const auto scan = scan_powercap(dir.path());
  EXPECT_EQ(shown(scan), (Lines{"intel-rapl:0 package-0 0 package", "intel-rapl:0:0 core 0 core",
                                "intel-rapl:0:1 uncore 0 uncore", "intel-rapl:1 psys 0 psys",
                                "intel-rapl-mmio:0 package-0 0 package"}));
  EXPECT_EQ(scan.zones.at(0).info().max_energy_range_uj, 262143328850u);
  EXPECT_EQ(scan.zones.at(0).info().control_type, "intel-rapl");
  EXPECT_EQ(scan.zones.at(4).info().control_type, "intel-rapl-mmio");
  EXPECT_EQ(*scan.zones.at(1).read_energy(), 118821284256u);
}

TEST(ScanPowercap, TakesASubZonesPackageFromItsParentsName) {
  const TempDir dir;
  write_zone(dir, "intel-rapl:0", "package-1", 1);
  write_zone(dir, "intel-rapl:0:0", "dram", 2, 65712999613);
  write_zone(dir, "intel-rapl:1", "package-0", 3);
  write_zone(dir, "intel-rapl:1:0", "dram", 4, 65712999613);
  EXPECT_EQ(shown(scan_powercap(dir.path())),
            (Lines{"intel-rapl:0 package-1 1 package", "intel-rapl:0:0 dram 1 dram",
                   "intel-rapl:1 package-0 0 package", "intel-rapl:1:0 dram 0 dram"}));
}

TEST(ScanPowercap, ReadsIdsAsHexadecimalNumbers) {
  const TempDir dir;
  write_zone(dir, "intel-rapl:10", "package-16", 1);
  write_zone(dir, "intel-rapl:a", "package-10", 1);
  write_zone(dir, "intel-rapl:2", "package-2", 1);
  EXPECT_EQ(shown(scan_powercap(dir.path())),
            (Lines{"intel-rapl:2 package-2 2 package", "intel-rapl:a package-10 10 package",
                   "intel-rapl:10 package-16 16 package"}));
}

TEST(ScanPowercap, FollowsFlatLinksIntoATreeOfRealDirectories) {
  const TempDir dir;
  dir.write("intel-rapl/enabled", "1\n");
  dir.write("intel-rapl/power/control", "auto\n");
  dir.symlink("intel-rapl/subsystem", "..");
  write_zone(dir, "intel-rapl/intel-rapl:0", "package-0", 5);
  write_zone(dir, "intel-rapl/intel-rapl:0/intel-rapl:0:0", "core", 6);
  dir.symlink("intel-rapl:0", "intel-rapl/intel-rapl:0");
  dir.symlink("intel-rapl:0:0", "intel-rapl/intel-rapl:0/intel-rapl:0:0");
  EXPECT_EQ(shown(scan_powercap(dir.path())),
            (Lines{"intel-rapl:0 package-0 0 package", "intel-rapl:0:0 core 0 core"}));
}

TEST(ScanPowercap, KeepsTheDiesOfAPackageApart) {
  const TempDir dir;
  write_zone(dir, "intel-rapl:0", "package-0-die-0", 10360237493, 65532610987);
  write_zone(dir, "intel-rapl:1", "package-0-die-1", 10359908363, 65532610987);
  EXPECT_EQ(shown(scan_powercap(dir.path())), (Lines{"intel-rapl:0 package-0-die-0 0 package",
                                                     "intel-rapl:1 package-0-die-1 0 package"}));
}

TEST(ScanPowercap, IgnoresWhatIsNoZone) {
  const TempDir dir;
  dir.write("intel-rapl:0", "a file\n");
  dir.write("README", "hello\n");
  for (const char* name : {"intel-rapl", "intel-rapl:", "intel-rapl:0:", "intel-rapl:x", ":0",
                           "intel-rapl:0:0:0", "intel-rapl:-1", "intel-rapl:123456789", "\x1b[31m:0"})
    dir.make_directory(name);
  EXPECT_EQ(shown(scan_powercap(dir.path())), Lines{});
}

TEST(ScanPowercap, NamesAMissingDirectory) {
  const TempDir dir;
  const auto scan = scan_powercap(dir.path("powercap"));
  ASSERT_EQ(scan.problems.size(), 1u);
  EXPECT_EQ(scan.problems[0].code, ENOENT);
  EXPECT_NE(scan.problems[0].message.find(dir.path("powercap")), std::string::npos);
}

TEST(PowercapZone, ReadsTheCounterAfreshThroughItsKeptFile) {
  const TempDir dir;
  write_zone(dir, "intel-rapl:0", "package-0", 1, 1000);
  const auto scan = scan_powercap(dir.path());
  ASSERT_EQ(scan.zones.size(), 1u);
  for (const std::uint64_t value : {7u, 1000u, 0u}) {
    dir.write("intel-rapl:0/energy_uj", std::to_string(value) + "\n");
    EXPECT_EQ(scan.zones[0].read_energy(), value);
  }
}

}  // namespace
}  // namespace vpowercap
