// SPDX-License-Identifier: Apache-2.0
// Snapshots kept, forgotten, and cut off.
#include "fuse-fs/session/snapshots.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace vpowercap {
namespace {

TEST(Snapshots, AHandleHasItsOwnValue) {
  Snapshots snapshots(100);
  const auto one = snapshots.new_handle(), other = snapshots.new_handle();
  EXPECT_FALSE(snapshots.find(one));
  snapshots.keep(one, 7);
  snapshots.keep(other, 8);
  EXPECT_EQ(snapshots.find(one), 7u);
  snapshots.keep(one, 9);
  EXPECT_EQ(snapshots.find(one), 9u);
  EXPECT_EQ(snapshots.find(other), 8u);
}

TEST(Snapshots, ZeroIsAValueAndNoHandle) {
  Snapshots snapshots(0);
  const auto handle = snapshots.new_handle();
  EXPECT_NE(handle, 0u);
  snapshots.keep(handle, 0);
  EXPECT_EQ(snapshots.find(handle), 0u);
}

TEST(Snapshots, AnOldHandleIsForgottenAndNeverShowsAnothersValue) {
  Snapshots snapshots(1);
  snapshots.keep(1, 7);
  snapshots.keep(1 + Snapshots::size, 8);
  EXPECT_FALSE(snapshots.find(1));
  EXPECT_EQ(snapshots.find(1 + Snapshots::size), 8u);
}

TEST(Snapshots, HandlesOfOnePlaceWrittenAtOnceNeverMix) {
  Snapshots snapshots(1);
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([&snapshots, handle = 5 + i * Snapshots::size] {
      for (std::uint64_t turn = 0; turn < 50'000; ++turn) {
        snapshots.keep(handle, handle * 1'000'000 + turn % 1000);
        if (const auto found = snapshots.find(handle)) {
          ASSERT_EQ(*found / 1'000'000, handle);
        }
      }
    });
}

}  // namespace
}  // namespace vpowercap
