// SPDX-License-Identifier: Apache-2.0
// Histograms of power by utilisation, and what they say of an idle machine.
#include "host/sampler/idle_learner.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

namespace vpowercap {
namespace {

constexpr double quantile = 0.1;
constexpr std::uint32_t refresh_ticks = 10;
constexpr auto fade_every = std::chrono::minutes(10);
constexpr double forgotten = 0.01;  // ticks: a cell below it is dropped
constexpr std::size_t fewest_points = 3;

double weight_of(const IdleLearner::Levels& levels) {
  double sum = 0;
  for (const auto& [level, cell] : levels) sum += cell.weight;
  return sum;
}

/// The power under which `quantile` of the class's ticks lie; nullopt when there are too few.
std::optional<std::uint64_t> low_level(const IdleLearner::Levels& levels) {
  const double all = weight_of(levels);
  if (all < IdleLearner::min_ticks) return std::nullopt;
  double below = 0;
  for (const auto& [level, cell] : levels) {
    below += cell.weight;
    if (below >= all * quantile) return cell.lowest_uw;
  }
  return levels.rbegin()->second.lowest_uw;
}

struct Point {
  double utilisation;  // middle of its class, 0 to 1
  double power_uw;
};

/// The line of least squares through `points`, at utilisation 0; nullopt when it does not rise or does
/// not end above 0 W, as no machine's can.
std::optional<double> at_zero(std::span<const Point> points) {
  const auto count = static_cast<double>(points.size());
  double mean_x = 0;
  double mean_y = 0;
  for (const auto& point : points) {
    mean_x += point.utilisation / count;
    mean_y += point.power_uw / count;
  }
  double xx = 0;
  double xy = 0;
  for (const auto& point : points) {
    xx += (point.utilisation - mean_x) * (point.utilisation - mean_x);
    xy += (point.utilisation - mean_x) * (point.power_uw - mean_y);
  }
  if (xx <= 0 || xy < 0) return std::nullopt;
  const double end = mean_y - xy / xx * mean_x;
  return end > 0 ? std::optional(end) : std::nullopt;
}

/// The lowest end of such lines through the three least busy points, through four, and so on. Power
/// rises ever less steeply with utilisation (waking of the package, turbo, hardware threads): a line
/// that takes in busier points mostly ends higher above the truth.
std::optional<double> lowest_at_zero(std::span<const Point> points) {
  std::optional<double> lowest;
  for (std::size_t count = fewest_points; count <= points.size(); ++count)
    if (const auto end = at_zero(points.first(count))) lowest = std::min(lowest.value_or(*end), *end);
  return lowest;
}

}  // namespace

std::int32_t IdleLearner::level_of(std::uint64_t power_uw) {
  static const double step = std::log(1.01);
  return static_cast<std::int32_t>(
      std::floor(std::log(static_cast<double>(std::max<std::uint64_t>(1, power_uw))) / step));
}

void IdleLearner::fade(Entry& entry) {
  const double hours = std::chrono::duration<double, std::ratio<3600>>(entry.unfaded).count();
  const double factor = std::exp2(-hours / static_cast<double>(half_life.count()));
  entry.unfaded = Nanoseconds(0);
  for (auto& levels : entry.classes) {
    for (auto& [level, cell] : levels) cell.weight *= factor;
    std::erase_if(levels, [](const auto& item) { return item.second.weight < forgotten; });
  }
}

void IdleLearner::observe(const std::string& zone, std::uint64_t power_uw, std::uint64_t busy_ns,
                          std::uint64_t cpu_ns, Nanoseconds length) {
  if (power_uw == 0 || cpu_ns == 0 || length <= Nanoseconds(0)) return;
  if (!zones_.contains(zone) && zones_.size() >= max_zones) return;
  Entry& entry = zones_[zone];
  entry.unfaded += length;
  if (entry.unfaded >= fade_every) fade(entry);
  const double busy = static_cast<double>(std::min(busy_ns, cpu_ns)) / static_cast<double>(cpu_ns);
  const auto index = std::min(classes - 1, static_cast<std::size_t>(busy * classes));
  Cell& cell = entry.classes[index][level_of(power_uw)];
  cell.lowest_uw = cell.weight == 0 ? power_uw : std::min(cell.lowest_uw, power_uw);
  cell.weight += 1;
  if (++entry.fresh < refresh_ticks) return;
  entry.fresh = 0;
  entry.known = work_out(entry.classes);
}

IdleEstimate IdleLearner::work_out(const Zone& zone) {
  IdleEstimate estimate{.samples = static_cast<std::uint64_t>(std::llround(weight_of(zone[0])))};
  std::vector<Point> points;
  std::optional<std::uint64_t> lowest;
  for (std::size_t i = 0; i < classes; ++i) {
    const auto level = low_level(zone[i]);
    if (!level) continue;
    points.push_back({(static_cast<double>(i) + 0.5) / classes, static_cast<double>(*level)});
    lowest = std::min(lowest.value_or(*level), *level);
  }
  if (!lowest) return estimate;
  if (const auto idle = low_level(zone[0])) {
    estimate.power_uw = std::min(*idle, *lowest);
    estimate.confidence = weight_of(zone[0]) >= good_ticks ? IdleConfidence::good : IdleConfidence::low;
    return estimate;
  }
  const auto extrapolated = lowest_at_zero(points);
  if (!extrapolated) return estimate;
  estimate.power_uw =
      static_cast<std::uint64_t>(std::llround(std::min(*extrapolated, static_cast<double>(*lowest))));
  if (estimate.power_uw > 0) estimate.confidence = IdleConfidence::low;
  return estimate;
}

IdleEstimate IdleLearner::estimate(const std::string& zone) const {
  const auto found = zones_.find(zone);
  return found == zones_.end() ? IdleEstimate{} : found->second.known;
}

IdleLearner::Memory IdleLearner::memory() const {
  Memory memory;
  for (const auto& [name, entry] : zones_) memory[name] = entry.classes;
  return memory;
}

void IdleLearner::restore(const Memory& memory) {
  zones_.clear();
  for (const auto& [name, zone] : memory) {
    if (zones_.size() >= max_zones) return;
    zones_[name].classes = zone;
    zones_[name].known = work_out(zone);
  }
}

}  // namespace vpowercap
