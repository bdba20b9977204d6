// SPDX-License-Identifier: Apache-2.0
// What a guest read of its counter while its neighbour sent, and what that shows. Times in s on one
// clock.
#pragma once

#include <cstddef>
#include <vector>

namespace vpowercap::sim {

/// The counter after a change.
struct CounterReading {
  double at_s = 0;
  double joules = 0;
};

struct Recording {
  double grid_s = 1;                     ///< of the counter
  double start_s = 0;                    ///< of the first symbol
  double symbol_s = 1;                   ///< length of each
  std::vector<bool> sent;                ///< whether the sender worked
  std::vector<CounterReading> readings;  ///< in order; from before the start to after the end
};

/// How the counter's steps go with the sender's work: at the lag, from half a second before to half a
/// second and a grid after, where it is strongest either way.
struct Likeness {
  double correlation = 0;
  double lag_s = 0;
  double swing_w =
      0;  ///< by what the receiver's power differs when the sender works, there; by regression
  double chance =
      0;  ///< |correlation| that one of 100 shuffles of the symbols exceeds, likewise at its best lag
  std::size_t steps = 0;
};

/// The steps are powers over whole grids, limited to what is between their 5th and 95th percentile.
Likeness likeness(const Recording& recording);

/// Bits per symbol as most_bits_per_symbol() has them, at the lag where the first half of the symbols
/// correlates most. At least 8 symbols.
double bits_per_symbol(const Recording& recording);

}  // namespace vpowercap::sim
