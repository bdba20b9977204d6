// SPDX-License-Identifier: Apache-2.0
// Simulated histories.
#include "tests/sim/history.hpp"

#include <cmath>
#include <map>
#include <tuple>

#include "tests/sim/system.hpp"

namespace vpowercap::sim {
namespace {

constexpr int empty_s = 60;
constexpr int loaded_s = 24 * 60;

ProcessSpec threads(std::uint32_t count, const Load& load) {
  ProcessSpec spec{.comm = "host-service"};
  for (std::uint32_t i = 0; i < count; ++i)
    spec.threads.push_back({.comm = "host-service", .load = load, .burst_ms = 3});
  return spec;
}

/// 20 % to 80 % and back, in steps of a minute.
double load_at(double seconds) {
  const double way = std::floor(seconds / 60) * 60 / (loaded_s / 2.0);
  return 0.2 + 0.6 * (way < 1 ? way : 2 - way);
}

Learned simulate(const HostShape& shape, History history) {
  Host host(shape, 20250102);
  host.start(threads(2, [](double) { return 0.02; }));
  if (history == History::never_idle) host.start(threads(shape.cpus(), load_at));
  KernelFiles files(host);
  const auto by_time = make_vpowercap(files, {.name = "time"});
  const auto by_smt = make_vpowercap(files, {.name = "smt", .weights = PackageWeights::smt});
  const int end_s = history == History::never_idle ? loaded_s : empty_s;
  for (int second = 0; second <= end_s; ++second) {
    files.write();
    by_time->sample(host.now_ms());
    by_smt->sample(host.now_ms());
    for (int ms = 0; ms < 1000; ++ms) host.step();
  }
  return {by_time->idle_memory(), by_smt->idle_memory()};
}

}  // namespace

const Learned& live_through(const HostShape& shape, History history) {
  static std::map<std::tuple<std::uint32_t, std::uint32_t, History>, Learned> known;
  const auto [entry, is_new] = known.try_emplace({shape.packages, shape.cores, history});
  if (is_new) entry->second = simulate(shape, history);
  return entry->second;
}

}  // namespace vpowercap::sim
