// SPDX-License-Identifier: Apache-2.0
#include "host/daemon/problem_log.hpp"

namespace vpowercap {

void ProblemLog::operator()(const Error& error) {
  const auto& what = error.key.empty() ? error.message : error.key;
  const std::lock_guard lock(mutex_);
  if (limiter_.pass(std::to_string(error.code) + " " + what, SystemClock().now()))
    log::warning(error.message);
}

}  // namespace vpowercap
