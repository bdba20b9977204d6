// SPDX-License-Identifier: Apache-2.0
#include "common/units/apportion.hpp"

#include <rapidcheck/gtest.h>

#include <numeric>

#include "common/units/wide.hpp"

namespace vpowercap {
namespace {

TEST(Apportion, GivesTheRestToTheLargestRemainders) {
  EXPECT_EQ(apportion(10, std::vector<std::uint64_t>{1, 1, 1}), (std::vector<std::uint64_t>{4, 3, 3}));
  EXPECT_EQ(apportion(7, std::vector<std::uint64_t>{3, 1}), (std::vector<std::uint64_t>{5, 2}));
}

TEST(Apportion, WithoutWeightTheLastGetsAll) {
  EXPECT_EQ(apportion(5, std::vector<std::uint64_t>{0, 0}), (std::vector<std::uint64_t>{0, 5}));
}

RC_GTEST_PROP(Apportion, LosesAndMakesNothingAndStaysWithinOneOfTheQuota,
              (std::uint64_t amount, const std::vector<std::uint64_t>& weights)) {
  RC_PRE(!weights.empty());
  const auto parts = apportion(amount, weights);
  Wide total = 0;
  Wide sum = 0;
  for (const auto weight : weights) total += weight;
  for (const auto part : parts) sum += part;
  RC_ASSERT(sum == amount);
  if (total == 0) return;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto quota = static_cast<std::uint64_t>(Wide(amount) * weights[i] / total);
    RC_ASSERT(parts[i] >= quota);
    RC_ASSERT(parts[i] <= quota + 1);
  }
}

}  // namespace
}  // namespace vpowercap
