// SPDX-License-Identifier: Apache-2.0
// Watches counters move, through a kept descriptor and through fresh ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/powercap/tree.hpp"

namespace vpowercap {

/// One look at a counter: first through the descriptor kept open, right after that by a fresh open.
struct Look {
  std::uint64_t held = 0;
  std::uint64_t fresh = 0;
};

/// What a package zone did while it was watched. Pure.
struct Movement {
  std::string id;
  std::optional<Error> error;  ///< a read that failed ends the watch
  unsigned moves = 0;          ///< looks at which a fresh open showed another value than before
  unsigned lagged = 0;         ///< of them, those at which the kept descriptor still showed the old one

  void add(Look look);
  /// A read between two changes may lag by chance; a cached descriptor lags at every one.
  [[nodiscard]] bool held_is_stale() const { return moves > 0 && lagged == moves; }
  /// Whether more looks would not change the verdict.
  [[nodiscard]] bool settled() const { return moves >= 3 || (moves >= 1 && lagged == 0); }

 private:
  std::optional<Look> previous_;
};

/// True when `file` shows another value past the page cache than through it: then whoever serves the
/// file lets it be cached. False when that cannot be known.
bool is_cached(const std::string& file);

/// Watches the package zones of `scan` below `path` until all are settled, at most for `wait`.
std::vector<Movement> watch_packages(const std::string& path, const PowercapScan& scan,
                                     Nanoseconds wait);

}  // namespace vpowercap
