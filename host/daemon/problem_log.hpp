// SPDX-License-Identifier: Apache-2.0
// Problems as lines of the log, each once a minute.
#pragma once

#include <mutex>

#include "common/base/result.hpp"
#include "common/log/log.hpp"

namespace vpowercap {

/// Warns of the problems of one part of the daemon. Those with the same code and key, or without a key
/// the same sentence, are told once a minute. Thread-safe.
class ProblemLog {
 public:
  void operator()(const Error& error);

 private:
  std::mutex mutex_;
  log::Limiter limiter_;
};

}  // namespace vpowercap
