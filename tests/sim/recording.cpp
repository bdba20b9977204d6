// SPDX-License-Identifier: Apache-2.0
// From a recorded counter to the steps that decoder.hpp takes.
#include "tests/sim/recording.hpp"

#include <algorithm>
#include <cmath>

#include "tests/sim/decoder.hpp"
#include "tests/sim/random.hpp"

namespace vpowercap::sim {
namespace {

constexpr double earliest_lag_s = -0.5;
constexpr int shuffles = 1000;

double latest_lag_s(double grid_s) { return grid_s + 0.5; }

std::vector<double> lags(double grid_s) {
  const auto step = std::max(0.25, grid_s / 8);
  std::vector<double> all;
  for (auto lag = earliest_lag_s; lag <= latest_lag_s(grid_s); lag += step) all.push_back(lag);
  return all;
}

/// Mean power over whole grids.
struct Step {
  double from_s = 0;
  double to_s = 0;
  double watts = 0;
};

/// Those during which the sender was sending, whatever the lag.
std::vector<Step> steps_of(const Recording& recording) {
  const auto from = recording.start_s + latest_lag_s(recording.grid_s);
  const auto to = recording.start_s + earliest_lag_s +
                  recording.symbol_s * static_cast<double>(recording.sent.size());
  std::vector<Step> steps;
  // The first reading is no change.
  for (std::size_t i = 2; i < recording.readings.size(); ++i) {
    const auto& last = recording.readings[i - 1];
    const auto& now = recording.readings[i];
    if (last.at_s < from || now.at_s > to) continue;
    const auto grids = std::max(1.0, std::round((now.at_s - last.at_s) / recording.grid_s));
    steps.push_back({last.at_s, now.at_s, (now.joules - last.joules) / (grids * recording.grid_s)});
  }
  return steps;
}

std::vector<double> limited(const std::vector<Step>& steps) {
  std::vector<double> watts;
  for (const auto& step : steps) watts.push_back(step.watts);
  auto sorted = watts;
  std::sort(sorted.begin(), sorted.end());
  if (sorted.empty()) return watts;
  const auto low = sorted[sorted.size() / 20];
  const auto high = sorted[sorted.size() - 1 - sorted.size() / 20];
  for (auto& value : watts) value = std::clamp(value, low, high);
  return watts;
}

/// Seconds that the sender has worked up to a time.
class Worked {
 public:
  Worked(const Recording& recording, const std::vector<bool>& sent)
      : start_s_(recording.start_s), symbol_s_(recording.symbol_s), symbols_{0} {
    for (const bool bit : sent) symbols_.push_back(symbols_.back() + (bit ? 1 : 0));
  }
  [[nodiscard]] double until(double time_s) const {
    const auto last = static_cast<double>(symbols_.size() - 1);
    const auto at = std::clamp((time_s - start_s_) / symbol_s_, 0.0, last);
    const auto below = static_cast<std::size_t>(at);
    const auto above = std::min(below + 1, symbols_.size() - 1);
    const auto part = at - static_cast<double>(below);
    return symbol_s_ * (symbols_[below] + (symbols_[above] - symbols_[below]) * part);
  }

 private:
  double start_s_;
  double symbol_s_;
  std::vector<double> symbols_;
};

struct Best {
  double correlation = 0;
  double lag_s = 0;
  double swing_w = 0;
};

double deviation(const std::vector<double>& values) {
  double n = 0, sum = 0, squares = 0;
  for (const auto value : values) n += 1, sum += value, squares += value * value;
  return n > 0 ? std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n))) : 0;
}

Best best(const Recording& recording, const std::vector<bool>& sent, const std::vector<Step>& steps,
          const std::vector<double>& watts) {
  const Worked worked(recording, sent);
  Best found;
  std::vector<double> loads(steps.size());
  for (const auto lag : lags(recording.grid_s)) {
    for (std::size_t i = 0; i < steps.size(); ++i)
      loads[i] = (worked.until(steps[i].to_s - lag) - worked.until(steps[i].from_s - lag)) /
                 (steps[i].to_s - steps[i].from_s);
    const auto now = correlation(loads, watts);
    if (std::abs(now) > std::abs(found.correlation))
      found = {now, lag, now * deviation(watts) / deviation(loads)};
  }
  return found;
}

double counter_at(const std::vector<CounterReading>& readings, double time_s) {
  const auto after =
      std::upper_bound(readings.begin(), readings.end(), time_s,
                       [](double time, const CounterReading& reading) { return time < reading.at_s; });
  return after == readings.begin() ? readings.front().joules : std::prev(after)->joules;
}

/// What the counter grew by in each symbol, seen `lag_s` later.
std::vector<double> growths(const Recording& recording, double lag_s) {
  std::vector<double> found;
  auto border = recording.start_s + lag_s;
  for (std::size_t i = 0; i < recording.sent.size(); ++i, border += recording.symbol_s)
    found.push_back(counter_at(recording.readings, border + recording.symbol_s) -
                    counter_at(recording.readings, border));
  return found;
}

}  // namespace

Likeness likeness(const Recording& recording) {
  const auto steps = steps_of(recording);
  const auto watts = limited(steps);
  const auto found = best(recording, recording.sent, steps, watts);
  Random random(7);
  auto sent = recording.sent;
  std::vector<double> by_chance;
  for (int i = 0; i < shuffles; ++i) {
    for (auto left = static_cast<std::uint32_t>(sent.size()); left > 1; --left) {
      const auto other = random.below(left);
      const bool kept = sent[left - 1];
      sent[left - 1] = sent[other];
      sent[other] = kept;
    }
    by_chance.push_back(std::abs(best(recording, sent, steps, watts).correlation));
  }
  std::sort(by_chance.begin(), by_chance.end());
  return {found.correlation, found.lag_s, found.swing_w, by_chance[shuffles * 99 / 100], steps.size()};
}

double bits_per_symbol(const Recording& recording) {
  const auto half = static_cast<std::ptrdiff_t>(recording.sent.size() / 2);
  const std::vector<double> loads(recording.sent.begin(), recording.sent.begin() + half);
  std::vector<double> chosen;
  double strongest = -1;
  for (const auto lag : lags(recording.grid_s)) {
    auto steps = growths(recording, lag);
    const auto now = std::abs(correlation(loads, {steps.begin(), steps.begin() + half}));
    if (now > strongest) strongest = now, chosen = std::move(steps);
  }
  return most_bits_per_symbol(chosen, recording.sent);
}

}  // namespace vpowercap::sim
