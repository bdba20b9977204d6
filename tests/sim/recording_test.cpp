// SPDX-License-Identifier: Apache-2.0
// What is made of recorded counters whose truth is known.
#include "tests/sim/recording.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "tests/sim/random.hpp"

namespace vpowercap::sim {
namespace {

/// A counter that changes each second, `late_s` after the truth, at `resting` watts, or at `working`
/// while the sender works; `noise` watts on top.
Recording recorded(const std::vector<bool>& sent, double working, double resting, double noise = 0,
                   double late_s = 0.25) {
  Recording recording{.grid_s = 1, .start_s = 100, .symbol_s = 2, .sent = sent};
  Random random(3);
  double joules = 50;
  for (int second = 95; second < 105 + 2 * static_cast<int>(sent.size()); ++second) {
    const auto symbol = second < 101 ? sent.size() : static_cast<std::size_t>(second - 101) / 2;
    const bool works = symbol < sent.size() && sent[symbol];
    joules += (works ? working : resting) + random.between(-noise, noise);
    recording.readings.push_back({second + late_s, joules});
  }
  return recording;
}

std::vector<bool> random_bits(std::size_t count) {
  Random random(9);
  std::vector<bool> bits;
  for (std::size_t i = 0; i < count; ++i) bits.push_back(random.unit() < 0.5);
  return bits;
}

TEST(Recording, ACheaperPriceWhileTheNeighbourWorksIsANegativeCorrelationAtItsLag) {
  const auto found = likeness(recorded(random_bits(60), 19, 23));
  EXPECT_LT(found.correlation, -0.95);
  EXPECT_NEAR(found.lag_s, 0.25, 0.3);
  EXPECT_NEAR(found.swing_w, -4, 0.2);
  EXPECT_GT(likeness(recorded(random_bits(60), 23, 19)).correlation, 0.95);
}

TEST(Recording, ACounterThatKnowsNothingIsWithinChance) {
  const auto found = likeness(recorded(random_bits(60), 20, 20, 4));
  EXPECT_LT(std::abs(found.correlation), found.chance);
  EXPECT_LT(found.chance, 0.6);
}

TEST(Recording, OneWildStepIsLimited) {
  auto recording = recorded(random_bits(60), 19, 23, 0.1);
  for (std::size_t i = 40; i < recording.readings.size(); ++i) recording.readings[i].joules += 500;
  EXPECT_LT(likeness(recording).correlation, -0.9);
}

TEST(Recording, AMissedReadingIsTwoGridsInOneStep) {
  auto recording = recorded(random_bits(60), 19, 23);
  recording.readings.erase(recording.readings.begin() + 31);
  EXPECT_LT(likeness(recording).correlation, -0.95);
}

TEST(Recording, AClearChannelCarriesItsBitsAndNoiseCarriesNone) {
  EXPECT_GT(bits_per_symbol(recorded(random_bits(60), 19, 23, 0.5)), 0.7);
  EXPECT_EQ(bits_per_symbol(recorded(random_bits(60), 20, 20, 4)), 0);
}

}  // namespace
}  // namespace vpowercap::sim
