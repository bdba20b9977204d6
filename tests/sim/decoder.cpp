// SPDX-License-Identifier: Apache-2.0
// Threshold decoder and correlation.
#include "tests/sim/decoder.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace vpowercap::sim {
namespace {

/// Bits per symbol of a binary symmetric channel with this rate of errors.
double capacity(double errors) {
  const auto e = std::min(errors, 1 - errors);
  return e <= 0 ? 1 : 1 + e * std::log2(e) + (1 - e) * std::log2(1 - e);
}

}  // namespace

double bits_per_symbol(const std::vector<double>& seen, const std::vector<bool>& sent) {
  const auto half = seen.size() / 2;
  const auto errors = [&](double threshold, bool inverted, std::size_t from, std::size_t to) {
    std::size_t wrong = 0;
    for (auto i = from; i < to; ++i) wrong += ((seen[i] > threshold) != inverted) != sent[i];
    return static_cast<double>(wrong) / static_cast<double>(to - from);
  };
  std::vector<double> sorted(seen.begin(), seen.begin() + static_cast<std::ptrdiff_t>(half));
  std::sort(sorted.begin(), sorted.end());
  double best = 2;
  double threshold = 0;
  bool inverted = false;
  for (std::size_t i = 0; i < sorted.size(); i += std::max<std::size_t>(1, sorted.size() / 100))
    for (const bool way : {false, true})
      if (const auto now = errors(sorted[i], way, 0, half); now < best)
        best = now, threshold = sorted[i], inverted = way;
  const auto found = errors(threshold, inverted, half, seen.size());
  // Three standard deviations of chance: 300 symbols alone look like some thousandths of a bit.
  const auto chance = 0.09 * std::sqrt(300 / static_cast<double>(seen.size() - half));
  return std::abs(found - 0.5) < chance ? 0 : capacity(found);
}

double most_bits_per_symbol(const std::vector<double>& steps, const std::vector<bool>& sent) {
  std::vector<double> changes;
  for (std::size_t i = 0; i < steps.size(); ++i)
    changes.push_back(steps[i] - (i > 0 ? steps[i - 1] : 0));
  // What a slow price shows, it shows one symbol late as well.
  const std::vector<bool> before(sent.begin(), sent.end() - 1);
  const std::vector<double> later(changes.begin() + 1, changes.end());
  return std::max(
      {bits_per_symbol(steps, sent), bits_per_symbol(changes, sent), bits_per_symbol(later, before)});
}

double correlation(const std::vector<double>& loads, const std::vector<double>& steps) {
  double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    const auto load = loads[i];
    const auto step = steps[i];
    n += 1, x += load, y += step, xx += load * load, yy += step * step, xy += load * step;
  }
  const auto spread = (n * xx - x * x) * (n * yy - y * y);
  return spread > 0 ? (n * xy - x * y) / std::sqrt(spread) : 0;
}

}  // namespace vpowercap::sim
