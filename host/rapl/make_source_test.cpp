// SPDX-License-Identifier: Apache-2.0
#include "host/rapl/make_source.hpp"

#include "tests/support/fake_powercap.hpp"

namespace vpowercap {
namespace {

using testing::TempDir;
using testing::write_zone;

class MakeSource : public ::testing::Test {
 protected:
  Result<std::unique_ptr<EnergySource>> make(const std::string& source) {
    options_.source = source;
    options_.sysfs_root = dir_.path();
    return make_energy_source(options_, clock_);
  }
  TempDir dir_;
  FakeClock clock_;
  EnergyOptions options_;
};

TEST_F(MakeSource, AutoTakesPowercapThatIsThere) {
  write_zone(dir_, "class/powercap/intel-rapl:0", "package-0", 1);
  const auto source = make("auto");
  ASSERT_TRUE(source) << source.error().message;
  EXPECT_EQ((*source)->method(), Method::rapl);
  EXPECT_EQ((*source)->sample().size(), 1u);
}

TEST_F(MakeSource, AutoNeverBecomesTheModelByItself) {
  const auto source = make("auto");
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, ENODEV);
  EXPECT_NE(source.error().message.find("source = model"), std::string::npos) << source.error().message;
  EXPECT_NE(source.error().message.find(dir_.path("class/powercap")), std::string::npos);
}

TEST_F(MakeSource, AutoWantsAPackageItCanRead) {
  write_zone(dir_, "class/powercap/intel-rapl:0", "package-0", 1);
  write_zone(dir_, "class/powercap/intel-rapl:1", "psys", 1);
  dir_.write("class/powercap/intel-rapl:0/energy_uj", "");
  const auto source = make("auto");
  ASSERT_FALSE(source);
  EXPECT_NE(source.error().message.find(dir_.path("class/powercap/intel-rapl:0/energy_uj")),
            std::string::npos);
}

TEST_F(MakeSource, PowercapWaitsForItsZones) {
  const auto source = make("powercap");
  ASSERT_TRUE(source);
  EXPECT_TRUE((*source)->sample().empty());
  EXPECT_EQ((*source)->take_problems().size(), 1u);
}

TEST_F(MakeSource, TheModelIsMadeWhenAskedFor) {
  const auto source = make("model");
  ASSERT_TRUE(source);
  EXPECT_EQ((*source)->method(), Method::model);
}

TEST_F(MakeSource, RefusesImpossiblePowerAndUnknownKinds) {
  options_.model = {20, 10};
  EXPECT_EQ(make("model").error().code, EINVAL);
  options_.model = {0, 0};
  EXPECT_EQ(make("model").error().code, EINVAL);
  const auto source = make("rapl");
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().code, EINVAL);
  EXPECT_NE(source.error().message.find("\"rapl\""), std::string::npos);
}

}  // namespace
}  // namespace vpowercap
