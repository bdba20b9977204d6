// SPDX-License-Identifier: Apache-2.0
#include "common/attribution/cpu_weights.hpp"

#include <rapidcheck/gtest.h>

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t second = 1'000'000'000;
const CpuSiblings one_pair{{0, {1}}, {1, {0}}};

TEST(CpuWeights, TwoBusySiblingsDrawElevenTenthsOfOne) {
  const auto weights = cpu_weights(PackageWeights::smt, {{0, second}, {1, second}}, one_pair, 1s);
  EXPECT_EQ(weighed(second, 0, weights) + weighed(second, 1, weights), second / 10 * 11);
}

TEST(CpuWeights, BesideAnIdleSiblingWorkCountsFully) {
  const auto weights = cpu_weights(PackageWeights::smt, {{0, second}, {1, 0}}, one_pair, 1s);
  EXPECT_EQ(weighed(second, 0, weights), second);
}

TEST(CpuWeights, ASiblingBusyForHalfTheTickTakesHalfTheDiscount) {
  const auto weights = cpu_weights(PackageWeights::smt, {{0, second}, {1, second / 2}}, one_pair, 1s);
  EXPECT_EQ(weighed(second, 0, weights), second * 775 / 1000);
  EXPECT_EQ(weighed(second / 2, 1, weights), second / 2 * 55 / 100);
}

TEST(CpuWeights, OfFourSiblingsAnyBusyOneCounts) {
  const CpuSiblings four{{0, {1, 2, 3}}};
  const CpuBusy half{{1, second / 2}, {2, second / 2}, {3, 0}};
  EXPECT_EQ(cpu_weights(PackageWeights::smt, half, four, 1s).at(0), 1'000'000u - 337'500u);
}

TEST(CpuWeights, TimeWeighsNothing) {
  EXPECT_TRUE(cpu_weights(PackageWeights::time, {{0, second}, {1, second}}, one_pair, 1s).empty());
  EXPECT_TRUE(cpu_weights(PackageWeights::smt, {{0, second}, {1, second}}, one_pair, 0s).empty());
  EXPECT_EQ(weighed(77, 0, {}), 77u);
}

RC_GTEST_PROP(CpuWeights, StayBetweenTheSharedAndTheFull, (std::uint64_t a, std::uint64_t work)) {
  const Nanoseconds tick(*rc::gen::inRange<std::int64_t>(1, 10'000'000'000));
  const auto weights = cpu_weights(PackageWeights::smt, {{0, a}}, one_pair, tick);
  RC_ASSERT(weights.at(1) >= shared_core_weight_ppm);
  RC_ASSERT(weights.at(1) <= full_weight_ppm);
  RC_ASSERT(weighed(work, 1, weights) <= work);
  RC_ASSERT(weights.at(0) == full_weight_ppm);
}

TEST(PackageWeights, AreKnownByName) {
  EXPECT_EQ(parse_package_weights("time"), PackageWeights::time);
  EXPECT_EQ(parse_package_weights("smt"), PackageWeights::smt);
  EXPECT_FALSE(parse_package_weights("SMT"));
}

}  // namespace
}  // namespace vpowercap
