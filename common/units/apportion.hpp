// SPDX-License-Identifier: Apache-2.0
// Dividing an integer amount by weights so that nothing is lost or made.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace vpowercap {

/// Divides `amount` over `weights` in proportion; the parts sum to `amount` exactly.
/// Largest-remainder method (Hamilton): every part is within 1 of its exact quota; equal remainders
/// go to the lower index. With all weights 0 every part is 0 except that the *last* gets `amount`:
/// callers put the remainder there. `weights` must not be empty; their sum may exceed 2^64.
std::vector<std::uint64_t> apportion(std::uint64_t amount, std::span<const std::uint64_t> weights);

}  // namespace vpowercap
