// SPDX-License-Identifier: Apache-2.0
// Snapshots kept, forgotten, and cut off.
#include "fuse-fs/session/snapshots.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace vpowercap {
namespace {

struct Snapshots : ::testing::Test {
  std::vector<std::uint64_t> memory = std::vector<std::uint64_t>(2 * vpowercap::Snapshots::size);
  vpowercap::Snapshots table(std::uint64_t first) {
    return {vpowercap::Snapshots::Words(memory), first};
  }
};
constexpr auto size = vpowercap::Snapshots::size;

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

TEST_F(Snapshots, AnOldHandleIsForgottenAndNeverShowsAnothersValue) {
  auto snapshots = table(1);
  snapshots.keep(1, 7);
  snapshots.keep(1 + size, 8);
  EXPECT_FALSE(snapshots.find(1));
  EXPECT_EQ(snapshots.find(1 + size), 8u);
}

TEST_F(Snapshots, HandlesOfOnePlaceWrittenAtOnceNeverMix) {
  auto snapshots = table(1);
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([&snapshots, handle = 5 + i * size] {
      for (std::uint64_t turn = 0; turn < 50'000; ++turn) {
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
