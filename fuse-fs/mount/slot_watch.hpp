// SPDX-License-Identifier: Apache-2.0
// Sees a thread of the server that hangs, from the request that it does not answer.
#pragma once

#include <array>

#include "common/base/clock.hpp"
#include "fuse-fs/journal/journal.hpp"

namespace vpowercap {

/// Looks now and again at the requests that a server's threads have in hand. Where one hangs, the
/// others answer whoever asks, so that nothing else shows it but the requests that wait.
class SlotWatch {
 public:
  /// Since when, as far as was seen, a request is in hand without an answer: the one for which that is
  /// longest, `now` if there is none.
  Nanoseconds oldest(const Journal& journal, Nanoseconds now);

 private:
  struct Seen {
    std::uint64_t unique = 0;  ///< 0: none
    Nanoseconds since{0};
  };
  std::array<Seen, Journal::most_slots> seen_{};
};

}  // namespace vpowercap
