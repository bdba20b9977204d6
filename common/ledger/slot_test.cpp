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
  std::uint64_t committed = 0;
  std::atomic<bool> done = false;
  std::atomic<std::size_t> seen = 0;
  std::uint64_t stored = 0;
  // The writer goes on until the reader has had its share, however the threads are scheduled.
  std::thread writer([&] {
    while (stored < 20000 || seen < 100) {
      Sample sample;
      sample.words.fill(stored + 1);
      slot->stage(sample, stored);
      store_word(committed, ++stored);
      if (stored % 64 == 0) std::this_thread::yield();
    }
    done = true;
  });
  std::uint64_t last = 0;
  while (!done) {
    const auto sample = slot->load(committed);
    if (!sample) continue;  // the writer here never rests; in the ledger it writes once a tick
    ++seen;
    for (const auto word : sample->words) EXPECT_EQ(word, sample->words[0]);
    EXPECT_GE(sample->words[0], last);
    last = sample->words[0];
  }
  writer.join();
  EXPECT_EQ(slot->load(committed)->words[63], stored);
}

Sample all(std::uint64_t value) {
  Sample sample;
  sample.words.fill(value);
  return sample;
}

TEST(Slot, AWriterKilledMidwayLeavesTheLastGoodCopy) {
  Slot<Sample> slot{};
  slot.stage(all(7), 0);
  slot.copies[0][3] = 999;  // what a half-done stage of change 2 leaves behind
  EXPECT_EQ(slot.load(1)->words[3], 7u);
  slot.stage(all(8), 1);
  EXPECT_EQ(slot.load(2)->words[3], 8u);
}

TEST(Slot, WhatIsStagedIsSeenOnceItIsCommitted) {
  Slot<Sample> slot{};
  for (const std::uint64_t committed : {0, 1, 5, 6}) {  // this slot is not in every change
    slot.stage(all(1000), committed);
    slot.stage(all(committed + 1), committed);
    EXPECT_LE(slot.load(committed)->words[0], committed);
    EXPECT_EQ(slot.load(committed + 1)->words[0], committed + 1);
  }
}

TEST(Slot, WhatADeadWriterStagedIsNotCommittedByTheNext) {
  for (const std::uint64_t committed : {0, 1, 2}) {
    Slot<Sample> slot{};
    for (std::uint64_t change = 0; change < committed; ++change) slot.stage(all(change + 1), change);
    slot.stage(all(99), committed);
    slot.forget_staged(committed);
    // The next change does not touch this slot.
    EXPECT_EQ(slot.load(committed + 1)->words[0], committed);
  }
}

struct DamagedSlot : ::testing::Test {
  Slot<Sample> slot{};

  /// Three changes: the last one is in copy 1, the one before in copy 0.
  void SetUp() override {
    for (const std::uint64_t change : {0, 1, 2}) slot.stage(all(change + 1), change);
  }
};

TEST_F(DamagedSlot, AValueWithAnyOtherBitIsNone) {
  EXPECT_EQ(slot.health(3), SlotHealth::whole);
  for (const std::size_t word : {0u, 31u, 63u})
    for (const unsigned bit : {0u, 40u, 63u}) {
      slot.copies[1][word] ^= std::uint64_t{1} << bit;
      EXPECT_FALSE(slot.load(3));
      EXPECT_EQ(slot.health(3), SlotHealth::damaged);
      slot.copies[1][word] ^= std::uint64_t{1} << bit;
    }
  EXPECT_TRUE(slot.load(3));
}

TEST_F(DamagedSlot, TwoChangesDoNotUndoEachOther) {
  slot.copies[1][0] ^= std::uint64_t{1} << 63;
  slot.copies[1][1] ^= std::uint64_t{1} << 63;
  EXPECT_FALSE(slot.load(3));
}

TEST_F(DamagedSlot, AnOlderCopyDoesNotPassForTheLast) {
  for (const std::uint64_t change : {0, 1, 4, 5}) {
    slot.changes[1] = change;
    EXPECT_EQ(slot.health(3), SlotHealth::damaged) << change;
  }
  slot.changes[1] = 3;
  slot.changes[0] = 4;
  EXPECT_EQ(slot.health(3), SlotHealth::damaged);
}

TEST_F(DamagedSlot, NoStretchOfZeroesPassesForAnOlderOne) {
  auto* const begin = reinterpret_cast<unsigned char*>(&slot);
  const auto before = slot;
  for (std::size_t size = 8; size <= sizeof slot; size += 8)
    for (std::size_t at = 0; at + size <= sizeof slot; at += 8) {
      slot = before;
      std::memset(begin + at, 0, size);
      const auto health = slot.health(3);
      const auto where = std::to_string(size) + " zeroes at " + std::to_string(at);
      // A slot that nobody has used is known by the header.
      if (health == SlotHealth::unused) {
        ASSERT_GE(size, sizeof slot.changes + sizeof slot.sums) << where;
      } else if (health == SlotHealth::whole) {
        ASSERT_EQ(slot.load(3)->words[0], 3u) << where;
      }
    }
}

TEST_F(DamagedSlot, AnUnusedOneIsNewWhateverItsWordsAre) {
  slot.forget_staged(0);
  EXPECT_EQ(slot.load(3)->words[0], 0u);
  EXPECT_EQ(slot.health(3), SlotHealth::unused);
}

}  // namespace
}  // namespace vpowercap
