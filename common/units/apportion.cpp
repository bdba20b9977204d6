// SPDX-License-Identifier: Apache-2.0
// Largest-remainder apportionment.
#include "common/units/apportion.hpp"

#include <algorithm>
#include <numeric>

#include "common/units/wide.hpp"

namespace vpowercap {

std::vector<std::uint64_t> apportion(std::uint64_t amount, std::span<const std::uint64_t> weights) {
  std::vector<std::uint64_t> parts(weights.size(), 0);
  Wide total = 0;
  for (const auto weight : weights) total += weight;
  if (total == 0) {
    parts.back() = amount;
    return parts;
  }
  std::vector<Wide> rests(weights.size());
  std::uint64_t given = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const Wide product = Wide(amount) * weights[i];
    parts[i] = static_cast<std::uint64_t>(product / total);
    rests[i] = product % total;
    given += parts[i];
  }
  std::vector<std::size_t> order(weights.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto left = static_cast<std::ptrdiff_t>(amount - given);  // below weights.size()
  std::partial_sort(
      order.begin(), order.begin() + left, order.end(),
      [&](std::size_t a, std::size_t b) { return rests[a] != rests[b] ? rests[a] > rests[b] : a < b; });
  for (std::ptrdiff_t i = 0; i < left; ++i) ++parts[order[static_cast<std::size_t>(i)]];
  return parts;
}

}  // namespace vpowercap
