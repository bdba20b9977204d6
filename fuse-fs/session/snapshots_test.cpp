// SPDX-License-Identifier: Apache-2.0
// Snapshots kept, forgotten, and cut off.
#include "fuse-fs/session/snapshots.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace vpowercap {
namespace {

struct Snapshots : ::testing::Test {
  std::vector<std::uint64_t> memory = std::vector<std::uint64_t>(vpowercap::Snapshots::Words::extent);
  vpowercap::Snapshots table(std::uint64_t first) {
    return {vpowercap::Snapshots::Words(memory), first};
  }
};
constexpr auto sets = vpowercap::Snapshots::sets;
constexpr auto places = vpowercap::Snapshots::places_in_set;

TEST_F(Snapshots, AHandleHasItsOwnValue) {
  auto snapshots = table(100);
  const auto one = snapshots.new_handle(), other = snapshots.new_handle();
  EXPECT_FALSE(snapshots.find(one));
  snapshots.keep(one, 7);
  snapshots.keep(other, 8);
  EXPECT_EQ(snapshots.find(one), 7u);
  snapshots.keep(one, 9);
  EXPECT_EQ(snapshots.find(one), 9u);
  EXPECT_EQ(snapshots.find(other), 8u);
}

TEST_F(Snapshots, ZeroIsAValueAndNoHandle) {
  auto snapshots = table(0);
  const auto handle = snapshots.new_handle();
  EXPECT_NE(handle, 0u);
  snapshots.keep(handle, 0);
  EXPECT_EQ(snapshots.find(handle), 0u);
}

TEST_F(Snapshots, AHandleThatOthersFollowedIsForgottenAndNeverShowsAnothersValue) {
  auto snapshots = table(1);
  for (std::uint64_t i = 0; i <= places; ++i) snapshots.keep(1 + i * sets, 7 + i);
  EXPECT_FALSE(snapshots.find(1));
  for (std::uint64_t i = 1; i <= places; ++i) EXPECT_EQ(snapshots.find(1 + i * sets), 7 + i);
}

TEST_F(Snapshots, AnOldHandleInUseOutlivesFilesThatAreOpenedAndClosed) {
  auto snapshots = table(1);
  const auto old = snapshots.new_handle();
  for (std::uint64_t turn = 0; turn < 10; ++turn) {
    snapshots.keep(old, turn);
    for (std::uint64_t i = 0; i < (places - 1) * sets; ++i) {
      snapshots.keep(snapshots.new_handle(), 1000);
      ASSERT_EQ(snapshots.find(old), turn) << i << " others later";
    }
  }
}

TEST_F(Snapshots, WhatAnotherTableLeftThereIsForgotten) {
  memory.assign(memory.size(), ~std::uint64_t{0} / 3);
  auto snapshots = table(1);
  for (std::uint64_t i = 0; i < places; ++i) snapshots.keep(1 + i * sets, i);
  for (std::uint64_t i = 0; i < places; ++i) EXPECT_EQ(snapshots.find(1 + i * sets), i);
}

TEST_F(Snapshots, HandlesOfOneSetWrittenAtOnceNeverMix) {
  auto snapshots = table(1);
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < 2 * places; ++i)
    threads.emplace_back([&snapshots, handle = 5 + i * sets] {
      for (std::uint64_t turn = 0; turn < 10'000; ++turn) {
        snapshots.keep(handle, handle * 1'000'000 + turn % 1000);
        if (const auto found = snapshots.find(handle)) {
          ASSERT_EQ(*found / 1'000'000, handle);
        }
      }
    });
}

TEST_F(Snapshots, ASuccessorKnowsWhatWasBegunAndGivesOutOtherHandles) {
  auto before = table(100);
  const auto handle = before.new_handle();
  before.keep(handle, 7);
  auto after = table(200);
  EXPECT_EQ(after.find(handle), 7u);
  EXPECT_NE(after.new_handle(), handle);
}

}  // namespace
}  // namespace vpowercap
