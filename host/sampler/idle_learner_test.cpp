// SPDX-License-Identifier: Apache-2.0
#include "host/sampler/idle_learner.hpp"

#include <rapidcheck/gtest.h>

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

const std::string zone = "intel-rapl:0 package-0";
constexpr std::uint64_t watt = 1'000'000;

/// `ticks` ticks of 1 s on ten CPUs at `percent` utilisation.
void feed(IdleLearner& learner, int ticks, std::uint64_t power_uw, std::uint64_t percent,
          Nanoseconds length = 1s) {
  for (int i = 0; i < ticks; ++i) learner.observe(zone, power_uw, percent, 100, length);
}

TEST(IdleLearner, KnowsNothingAtFirst) {
  IdleLearner learner;
  EXPECT_EQ(learner.estimate(zone).confidence, IdleConfidence::none);
  feed(learner, 29, 20 * watt, 1);
  EXPECT_EQ(learner.estimate(zone).power_uw, 0u);
}

TEST(IdleLearner, LearnsAnIdleMachinesPowerExactly) {
  IdleLearner learner;
  feed(learner, 30, 20 * watt, 1);
  EXPECT_EQ(learner.estimate(zone).power_uw, 20 * watt);
  EXPECT_EQ(learner.estimate(zone).confidence, IdleConfidence::low);
  feed(learner, 600, 20 * watt, 1);
  EXPECT_EQ(learner.estimate(zone).confidence, IdleConfidence::good);
  EXPECT_NEAR(static_cast<double>(learner.estimate(zone).samples), 630, 5);
}

TEST(IdleLearner, BusyTicksDoNotRaiseIt) {
  IdleLearner learner;
  feed(learner, 100, 20 * watt, 1);
  feed(learner, 10'000, 90 * watt, 80);
  EXPECT_EQ(learner.estimate(zone).power_uw, 20 * watt);
}

TEST(IdleLearner, AFewGlitchesDoNotLowerIt) {
  IdleLearner learner;
  feed(learner, 1000, 20 * watt, 1);
  feed(learner, 20, 3 * watt, 1);
  feed(learner, 100, 0, 0);
  EXPECT_EQ(learner.estimate(zone).power_uw, 20 * watt);
}

TEST(IdleLearner, OnAnEverBusyHostALineIsReadAtZero) {
  IdleLearner learner;
  for (const std::uint64_t percent : {22, 42, 62, 82})  // 20 W + 0.8 W per percent, classes' middles
    feed(learner, 100, 20 * watt + (percent * 10 + 5) * watt * 8 / 100, percent);
  const auto estimate = learner.estimate(zone);
  EXPECT_NEAR(static_cast<double>(estimate.power_uw), 20e6, 1e6);
  EXPECT_EQ(estimate.confidence, IdleConfidence::low);
  EXPECT_EQ(estimate.samples, 0u);
}

/// `levels`: watts at 22.5, 32.5, 42.5, 62.5 and 82.5 %.
void feed_classes(IdleLearner& learner, const std::vector<double>& levels) {
  const std::uint64_t percent[] = {22, 32, 42, 62, 82};
  for (std::size_t i = 0; i < levels.size(); ++i)
    feed(learner, 100, static_cast<std::uint64_t>(levels[i] * 1e6), percent[i]);
}

TEST(IdleLearner, WherePowerRisesEverLessSteeplyTheLeastBusyClassesCount) {
  IdleLearner learner;
  feed_classes(learner, {42.5, 52.5, 62.5, 70.5, 78.5});  // 20 W + 1 W per percent, then 0.4 W
  EXPECT_NEAR(static_cast<double>(learner.estimate(zone).power_uw), 20e6, 1e3);
}

TEST(IdleLearner, ALineOverAllIsReadWhereItEndsLowest) {
  IdleLearner learner;
  feed_classes(learner, {36, 38, 40, 60, 80});  // nearly flat at first
  EXPECT_LT(learner.estimate(zone).power_uw, 20 * watt);
  EXPECT_GT(learner.estimate(zone).power_uw, 10 * watt);
}

TEST(IdleLearner, LinesThatEndBelowZeroAreNotBelieved) {
  IdleLearner learner;
  feed_classes(learner, {30, 60, 90});
  EXPECT_EQ(learner.estimate(zone).confidence, IdleConfidence::none);
  feed_classes(learner, {30, 60, 90, 100, 110});
  EXPECT_EQ(learner.estimate(zone).confidence, IdleConfidence::low);
  EXPECT_GT(learner.estimate(zone).power_uw, watt);
}

TEST(IdleLearner, TwoLevelsOfLoadAreNoLine) {
  IdleLearner learner;
  feed(learner, 1000, 60 * watt, 50);
  feed(learner, 1000, 80 * watt, 90);
  EXPECT_EQ(learner.estimate(zone).confidence, IdleConfidence::none);
  EXPECT_EQ(learner.estimate(zone).power_uw, 0u);
}

TEST(IdleLearner, AFallingLineIsNotBelieved) {
  IdleLearner learner;
  feed(learner, 100, 60 * watt, 30);
  feed(learner, 100, 50 * watt, 60);
  feed(learner, 100, 40 * watt, 90);
  EXPECT_EQ(learner.estimate(zone).confidence, IdleConfidence::none);
}

RC_GTEST_PROP(IdleLearner, IsNeverAboveALevelThatAnyLoadWasSeenAt, ()) {
  IdleLearner learner;
  const auto floor_uw = *rc::gen::inRange<std::uint64_t>(1, 200 * watt);
  const auto low_percent = *rc::gen::inRange<std::uint64_t>(0, 100);
  const int groups = *rc::gen::inRange(1, 12);
  for (int i = 0; i < groups; ++i)
    feed(learner, *rc::gen::inRange(1, 60), floor_uw + *rc::gen::inRange<std::uint64_t>(0, 100 * watt),
         *rc::gen::inRange<std::uint64_t>(0, 101));
  feed(learner, 100 * 60 * groups, floor_uw, low_percent);
  RC_ASSERT(learner.estimate(zone).power_uw <= floor_uw);
}

TEST(IdleLearner, FollowsALowerLevelWithinHoursAndAHigherOneWithinNineDays) {
  IdleLearner learner;
  const auto hours_until = [&](std::uint64_t power_uw) {
    int hours = 0;
    for (; learner.estimate(zone).power_uw != power_uw && hours < 24 * 30; ++hours)
      feed(learner, 60, power_uw, 1, 1min);
    return hours;
  };
  feed(learner, 60 * 24 * 10, 20 * watt, 1, 1min);
  EXPECT_LE(hours_until(15 * watt), 12);
  feed(learner, 60 * 24 * 10, 15 * watt, 1, 1min);
  const int hours = hours_until(20 * watt);
  EXPECT_LE(hours, 9 * 24);
  EXPECT_GE(hours, 24);
}

TEST(IdleLearner, GoesOnFromItsMemory) {
  IdleLearner learner;
  feed(learner, 700, 20 * watt, 1);
  feed(learner, 700, 50 * watt, 60);
  IdleLearner successor;
  successor.restore(learner.memory());
  EXPECT_EQ(successor.estimate(zone).power_uw, 20 * watt);
  EXPECT_EQ(successor.estimate(zone).confidence, IdleConfidence::good);
  EXPECT_EQ(successor.estimate("intel-rapl:1 package-1").confidence, IdleConfidence::none);
}

TEST(IdleLearner, ItsMemoryIsBounded) {
  IdleLearner learner;
  for (int i = 0; i < 1000; ++i) learner.observe("zone" + std::to_string(i), watt, 1, 100, 1s);
  EXPECT_EQ(learner.memory().size(), IdleLearner::max_zones);
}

TEST(IdleLearner, WhatItGoesOnFromIsBoundedToo) {
  IdleLearner::Memory memory;
  for (int i = 0; i < 300; ++i) memory[std::to_string(i)][0][10] = {5, 1};
  IdleLearner learner;
  learner.restore(memory);
  EXPECT_EQ(learner.memory().size(), 256u);
}

}  // namespace
}  // namespace vpowercap
