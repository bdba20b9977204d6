// SPDX-License-Identifier: Apache-2.0
// CLOCK_MONOTONIC.
#include "common/base/clock.hpp"

#include <ctime>

namespace vpowercap {

Nanoseconds SystemClock::now() const {
  timespec ts{};
  ::clock_gettime(CLOCK_MONOTONIC, &ts);
  return std::chrono::seconds(ts.tv_sec) + Nanoseconds(ts.tv_nsec);
}

}  // namespace vpowercap
