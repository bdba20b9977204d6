// SPDX-License-Identifier: Apache-2.0
#include "common/ledger/slot.hpp"

#include <array>
#include <memory>
#include <thread>

namespace vpowercap {
namespace {

struct Sample {
  std::array<std::uint64_t, 64> words{};
};

TEST(Slot, ReadersNeverSeeATornOrOlderValue) {
  auto slot = std::make_unique<Slot<Sample>>();
  slot->store(Sample{});
  std::atomic<bool> done = false;
  std::atomic<std::size_t> seen = 0;
  std::uint64_t stored = 0;
  // The writer goes on until the reader has had its share, however the threads are scheduled.
  std::thread writer([&] {
    while (stored < 20000 || seen < 100) {
      Sample sample;
      sample.words.fill(++stored);
      slot->store(sample);
      if (stored % 64 == 0) std::this_thread::yield();
    }
    done = true;
  });
  std::uint64_t last = 0;
  while (!done) {
    const auto sample = slot->load();
    if (!sample) continue;  // the writer here never rests; in the ledger it writes once a tick
    ++seen;
    for (const auto word : sample->words) EXPECT_EQ(word, sample->words[0]);
    EXPECT_GE(sample->words[0], last);
    last = sample->words[0];
  }
  writer.join();
  EXPECT_EQ(slot->load()->words[63], stored);
}

TEST(Slot, AWriterKilledMidwayLeavesTheLastGoodCopy) {
  Slot<Sample> slot{};
  Sample good;
  good.words.fill(7);
  slot.store(good);
  slot.copies[(slot.sequence + 1) % 2][3] = 999;  // what a half-done store leaves behind
  EXPECT_EQ(slot.load()->words[3], 7u);
  good.words.fill(8);
  slot.store(good);
  EXPECT_EQ(slot.load()->words[3], 8u);
}

}  // namespace
}  // namespace vpowercap
