// SPDX-License-Identifier: Apache-2.0
// Comparing each slot's request with the one that was there before.
#include "fuse-fs/mount/slot_watch.hpp"

#include <algorithm>

namespace vpowercap {

Nanoseconds SlotWatch::oldest(const Journal& journal, Nanoseconds now) {
  auto oldest = now;
  for (unsigned i = 0; i < journal.slot_count(); ++i) {
    const auto slot = journal.slot(i);
    const auto unique = slot.occupied() ? slot.header().unique : 0;
    auto& seen = seen_.at(i);
    if (unique != seen.unique) seen = {unique, now};
    if (unique != 0) oldest = std::min(oldest, seen.since);
  }
  return oldest;
}

}  // namespace vpowercap
