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

Pace::Rates Pace::rates_now(double owed_uj, Nanoseconds constant) const {
  const auto repaid = owed_uj * (1 - std::exp(-1.0 / steps)) * steps;
  return {work_ns_ > 0 ? dynamic_uj_ / work_ns_ : 0,
          (time_ns_ > 0 ? idle_uj_ / time_ns_ : 0) + repaid / static_cast<double>(constant.count())};
}

std::int64_t Pace::step(Energy total, std::int64_t owed_uj, Past tick, Nanoseconds constant) {
  const auto last = last_.value_or(total);
  last_ = total;
  const auto dynamic = grown(total.dynamic_uj, last.dynamic_uj);
  const auto idle = grown(total.idle_uj, last.idle_uj);
  const auto work = static_cast<double>(tick.work_ns);
  const auto time = static_cast<double>(tick.length.count());

  // Without a past the first step is made tick by tick.
  const auto rates =
      rates_ ? *rates_ : rates_now(static_cast<double>(owed_uj) - dynamic - idle, constant);
  const auto charge = rates.per_work_ns * work + rates.per_time_ns * time;

  const auto kept = std::exp(-time / static_cast<double>(constant.count()));
  const auto add = [kept](double& sum, double now) { sum = sum * kept + now; };
  add(dynamic_uj_, dynamic);
  add(idle_uj_, idle);
  add(work_ns_, work);
  add(time_ns_, time);
  const auto charged = std::max<std::int64_t>(0, std::llround(charge));
  age_ += tick.length;
  if (age_ >= constant / steps) {
    age_ = Nanoseconds(0);
    rates_ = rates_now(static_cast<double>(owed_uj - charged), constant);
  }
  return charged;
}

}  // namespace vpowercap
