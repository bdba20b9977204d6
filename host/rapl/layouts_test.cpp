// SPDX-License-Identifier: Apache-2.0
// The zones that real kinds of machines show.
#include <filesystem>

#include "host/rapl/powercap_source.hpp"
#include "host/rapl/reading_lines_test.hpp"
#include "tests/support/fake_powercap.hpp"

namespace vpowercap {
namespace {

using testing::lines;
using testing::TempDir;
using testing::write_zone;
using Lines = std::vector<std::string>;

/// A zone as the kernel lays it out: a real directory below the control type and a flat link to it.
void write_kernel_zone(const TempDir& dir, const std::string& id, const std::string& name,
                       std::uint64_t energy_uj, std::uint64_t range_uj) {
  const std::string type = id.substr(0, id.find(':'));
  const std::string parent = id.substr(0, id.rfind(':'));
  const std::string real = type + "/" + (parent == type ? "" : parent + "/") + id;
  write_zone(dir, "devices/virtual/powercap/" + real, name, energy_uj, range_uj);
  dir.symlink("class/powercap/" + id, "../../devices/virtual/powercap/" + real);
  dir.write("devices/virtual/powercap/" + type + "/enabled", "1\n");
  if (!std::filesystem::exists(dir.path("class/powercap/" + type)))
    dir.symlink("class/powercap/" + type, "../../devices/virtual/powercap/" + type);
}

class Layout : public ::testing::Test {
 protected:
  Lines sampled() {
    PowercapSource source(dir_.path("class/powercap"), clock_);
    auto all = lines(source.sample());
    EXPECT_TRUE(source.take_problems().empty());
    return all;
  }
  TempDir dir_;
  FakeClock clock_;
};

TEST_F(Layout, ClientOfOneSocketWithPsysAndMmio) {
  constexpr std::uint64_t range = 262143328850;
  write_kernel_zone(dir_, "intel-rapl:0", "package-0", 26716954797, range);
  write_kernel_zone(dir_, "intel-rapl:0:0", "core", 12628860370, range);
  write_kernel_zone(dir_, "intel-rapl:0:1", "uncore", 2711815506, range);
  write_kernel_zone(dir_, "intel-rapl:0:2", "dram", 7743988048, range);
  write_kernel_zone(dir_, "intel-rapl:1", "psys", 850171102, range);
  write_kernel_zone(dir_, "intel-rapl-mmio:0", "package-0", 26716954800, range);
  EXPECT_EQ(
      sampled(),
      (Lines{"intel-rapl:0 package-0 0 package 26716954797", "intel-rapl:0:0 core 0 core 12628860370",
             "intel-rapl:0:1 uncore 0 uncore 2711815506", "intel-rapl:0:2 dram 0 dram 7743988048",
             "intel-rapl:1 psys 0 psys 850171102"}));
}

TEST_F(Layout, ServerWhosePackagesRunAgainstItsZones) {
  write_kernel_zone(dir_, "intel-rapl:0", "package-1", 35231629289, 262143328850);
  write_kernel_zone(dir_, "intel-rapl:0:0", "dram", 32651449214, 65712999613);
  write_kernel_zone(dir_, "intel-rapl:1", "package-0", 143013545932, 262143328850);
  write_kernel_zone(dir_, "intel-rapl:1:0", "dram", 26530978739, 65712999613);
  EXPECT_EQ(sampled(), (Lines{"intel-rapl:0 package-1 1 package 35231629289",
                              "intel-rapl:0:0 dram 1 dram 32651449214",
                              "intel-rapl:1 package-0 0 package 143013545932",
                              "intel-rapl:1:0 dram 0 dram 26530978739"}));
}

TEST_F(Layout, ServerWithPsysBetweenItsPackages) {
  write_kernel_zone(dir_, "intel-rapl:0", "package-0", 5, 262143328850);
  write_kernel_zone(dir_, "intel-rapl:1", "psys", 60293987000000, 4294967295000000);
  write_kernel_zone(dir_, "intel-rapl:2", "package-1", 7, 262143328850);
  EXPECT_EQ(sampled(),
            (Lines{"intel-rapl:0 package-0 0 package 5", "intel-rapl:1 psys 0 psys 60293987000000",
                   "intel-rapl:2 package-1 1 package 7"}));
}

TEST_F(Layout, AmdWithPackageAndCore) {
  write_kernel_zone(dir_, "intel-rapl:0", "package-0", 13719626935, 65532610987);
  write_kernel_zone(dir_, "intel-rapl:0:0", "core", 8334677327, 65532610987);
  EXPECT_EQ(sampled(), (Lines{"intel-rapl:0 package-0 0 package 13719626935",
                              "intel-rapl:0:0 core 0 core 8334677327"}));
}

TEST_F(Layout, AmdWithAZonePerDie) {
  write_kernel_zone(dir_, "intel-rapl:0", "package-0-die-0", 10360237493, 65532610987);
  write_kernel_zone(dir_, "intel-rapl:1", "package-0-die-1", 10359908363, 65532610987);
  EXPECT_EQ(sampled(), (Lines{"intel-rapl:0 package-0-die-0 0 package 10360237493",
                              "intel-rapl:1 package-0-die-1 0 package 10359908363"}));
}

}  // namespace
}  // namespace vpowercap
