// SPDX-License-Identifier: Apache-2.0
// The laws of seeing that a request stays.
#include "fuse-fs/mount/slot_watch.hpp"

#include <cstring>

namespace vpowercap {
namespace {

using std::chrono::seconds;

struct Watched {
  UniqueFd fd = Journal::create(3).value();
  Journal journal = Journal::open(fd.get()).value();
  SlotWatch watch;

  void receive(unsigned slot, std::uint64_t unique) const {
    const fuse_in_header request{.len = sizeof request, .opcode = FUSE_READ, .unique = unique};
    std::memcpy(journal.slot(slot).buffer().data(), &request, sizeof request);
    journal.slot(slot).received(sizeof request);
  }
  Nanoseconds oldest(int now) { return watch.oldest(journal, seconds(now)); }
};

TEST(SlotWatch, SeesTheRequestThatStaysLongest) {
  Watched watched;
  EXPECT_EQ(watched.oldest(1), seconds(1));
  watched.receive(2, 20);
  EXPECT_EQ(watched.oldest(2), seconds(2));
  watched.receive(0, 30);
  EXPECT_EQ(watched.oldest(3), seconds(2));
  watched.journal.slot(2).clear();
  EXPECT_EQ(watched.oldest(4), seconds(3));
}

TEST(SlotWatch, AnotherRequestInTheSamePlaceIsANewOne) {
  Watched watched;
  for (int second = 1; second < 5; ++second) {
    watched.receive(1, 10 + static_cast<std::uint64_t>(second));
    EXPECT_EQ(watched.oldest(second), seconds(second));
  }
  watched.journal.slot(1).clear();
  EXPECT_EQ(watched.oldest(5), seconds(5));
  watched.receive(1, 14);
  EXPECT_EQ(watched.oldest(6), seconds(6));
}

}  // namespace
}  // namespace vpowercap
