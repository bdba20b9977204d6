// SPDX-License-Identifier: Apache-2.0
#include "guest/agent/zone_total.hpp"

#include <rapidcheck/gtest.h>

namespace vpowercap {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::uint64_t range = 262'143'328'850;

TEST(ZoneTotal, StartsAtTheCounterItself) {
  ZoneTotal total;
  const auto step = total.add({123}, range, hours(1));
  EXPECT_EQ(step.total.count, 123u);
  EXPECT_FALSE(step.power_uw);
  EXPECT_FALSE(step.gap);
}

TEST(ZoneTotal, GoesOnAcrossAWrap) {
  ZoneTotal total;
  (void)total.add({range - 10}, range, hours(1));
  const auto step = total.add({5}, range, hours(1) + seconds(1));
  EXPECT_EQ(step.total.count, range + 5);
  EXPECT_EQ(step.power_uw, 15u);
  EXPECT_FALSE(step.gap);
}

TEST(ZoneTotal, PowerIsTheMeanSinceTheReadingBefore) {
  ZoneTotal total;
  (void)total.add({0}, range, hours(1));
  EXPECT_EQ(total.add({80'000'000}, range, hours(1) + seconds(2)).power_uw, 40'000'000u);
  EXPECT_EQ(total.add({80'000'000}, range, hours(1) + seconds(3)).power_uw, 0u);
  EXPECT_FALSE(total.add({80'000'001}, range, hours(1) + seconds(3)).power_uw) << "no time passed";
}

TEST(ZoneTotal, AResetAddsNothingAndNeverGoesBack) {
  ZoneTotal total;
  (void)total.add({range / 2}, range, hours(1));
  const auto reset = total.add({10}, range, hours(1) + seconds(1));
  EXPECT_TRUE(reset.gap);
  EXPECT_FALSE(reset.power_uw);
  EXPECT_EQ(reset.total.count, range / 2);
  EXPECT_EQ(total.add({25}, range, hours(1) + seconds(2)).total.count, range / 2 + 15);
}

TEST(ZoneTotal, AJumpAheadIsNoEnergy) {
  ZoneTotal total;
  (void)total.add({1000}, range, hours(1));
  const auto jump = total.add({200'000'000'000}, range, hours(1) + seconds(1));  // 200 kJ in 1 s
  EXPECT_TRUE(jump.gap);
  EXPECT_EQ(jump.total.count, 1000u);
}

TEST(ZoneTotal, ACounterThatHeldStillMayCatchUpAtOnce) {
  ZoneTotal total;
  auto now = Nanoseconds(hours(1));
  (void)total.add({1000}, range, now);
  for (int i = 0; i < 1000; ++i) (void)total.add({1000}, range, now += seconds(1));
  const auto step = total.add({200'000'001'000}, range, now += seconds(1));  // 200 W over 1000 s
  EXPECT_FALSE(step.gap);
  EXPECT_EQ(step.total.count, 200'000'001'000u);
}

TEST(ZoneTotal, AnotherRangeIsAnotherCounter) {
  ZoneTotal total;
  (void)total.add({1000}, range, hours(1));
  const auto step = total.add({2000}, range * 2, hours(1) + seconds(1));
  EXPECT_TRUE(step.gap);
  EXPECT_EQ(step.total.count, 1000u);
}

RC_GTEST_PROP(ZoneTotal, EqualsTheEnergyThatPassedWhateverTheWraps, ()) {
  const auto first = *rc::gen::inRange<std::uint64_t>(0, range);
  const auto steps = *rc::gen::container<std::vector<std::uint64_t>>(
      rc::gen::inRange<std::uint64_t>(0, 1'000'000'000));  // up to 1 kW over a tick of 1 s
  ZoneTotal total;
  auto now = Nanoseconds(hours(1));
  std::uint64_t truth = first;
  (void)total.add({first}, range, now);
  for (const auto step : steps) {
    truth += step;
    const auto got = total.add({truth % range}, range, now += seconds(1));
    RC_ASSERT(!got.gap);
    RC_ASSERT(got.total.count == truth);
    RC_ASSERT(got.power_uw == step);
  }
}

RC_GTEST_PROP(ZoneTotal, NeverGoesBackWhateverTheCounterDoes, ()) {
  const auto values =
      *rc::gen::container<std::vector<std::uint64_t>>(rc::gen::inRange<std::uint64_t>(0, 2 * range));
  ZoneTotal total;
  auto now = Nanoseconds(hours(1));
  std::uint64_t before = 0;
  for (const auto value : values) {
    const auto step = total.add({value}, range, now += seconds(1));
    RC_ASSERT(step.total.count >= before);
    before = step.total.count;
  }
}

}  // namespace
}  // namespace vpowercap
