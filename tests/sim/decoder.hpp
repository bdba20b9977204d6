// SPDX-License-Identifier: Apache-2.0
// What a receiver makes of the steps of its counter: bits, and how they go with its neighbour's work.
#pragma once

#include <vector>

namespace vpowercap::sim {

/// Bits per symbol (0 to 1) of a binary symmetric channel with the error rate of the best threshold on
/// `seen`: trained on the first half of the symbols, counted on the second. An error rate that chance
/// alone gives once in some hundred times is no bit. `seen` and `sent` are equally long, at least 2.
double bits_per_symbol(const std::vector<double>& seen, const std::vector<bool>& sent);

/// The most over what the receiver may look at: the counter's steps, one a symbol, how they differ from
/// the steps before, and the same one symbol late. Equally long, at least 3.
double most_bits_per_symbol(const std::vector<double>& steps, const std::vector<bool>& sent);

/// Pearson's, -1 to 1; 0 where one of them does not change. Equally long.
double correlation(const std::vector<double>& loads, const std::vector<double>& steps);

}  // namespace vpowercap::sim
