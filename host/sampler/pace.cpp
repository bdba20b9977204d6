// SPDX-License-Identifier: Apache-2.0
// Slow prices.
#include "host/sampler/pace.hpp"

#include <algorithm>
#include <cmath>

namespace vpowercap {
namespace {

double grown(std::uint64_t now, std::uint64_t before) {
  return now > before ? static_cast<double>(now - before) : 0;
}

}  // namespace

std::int64_t Pace::step(Energy total, std::int64_t owed_uj, Past tick, Nanoseconds constant) {
  const auto last = last_.value_or(total);
  last_ = total;
  const auto dynamic = grown(total.dynamic_uj, last.dynamic_uj);
  const auto idle = grown(total.idle_uj, last.idle_uj);
  const auto work = static_cast<double>(tick.work_ns);
  const auto time = static_cast<double>(tick.length.count());
  const auto kept = std::exp(-time / static_cast<double>(constant.count()));

  const auto price = work_ns_ > 0 ? dynamic_uj_ / work_ns_ : 0;
  const auto power = time_ns_ > 0 ? idle_uj_ / time_ns_ : 0;
  const auto owed_before = static_cast<double>(owed_uj) - dynamic - idle;
  const auto charge = price * work + power * time + owed_before * (1 - kept);

  const auto add = [kept](double& sum, double now) { sum = sum * kept + now; };
  add(dynamic_uj_, dynamic);
  add(idle_uj_, idle);
  add(work_ns_, work);
  add(time_ns_, time);
  return std::max<std::int64_t>(0, std::llround(charge));
}

}  // namespace vpowercap
