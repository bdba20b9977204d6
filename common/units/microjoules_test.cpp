// SPDX-License-Identifier: Apache-2.0
#include "common/units/microjoules.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

TEST(MeanPower, IsEnergyOverTime) {
  EXPECT_EQ(mean_power_uw({3'000'000}, 2s), 1'500'000u);
  EXPECT_EQ(mean_power_uw({1}, 0s), 0u);
  EXPECT_EQ(mean_power_uw({UINT64_MAX}, 1s), UINT64_MAX);
}

TEST(EnergyOf, IsPowerTimesTime) {
  EXPECT_EQ(energy_of(60'000'000, 1500ms).count, 90'000'000u);
  EXPECT_EQ(energy_of(1, -1s).count, 0u);
}

}  // namespace
}  // namespace vpowercap
