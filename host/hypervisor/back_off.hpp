// SPDX-License-Identifier: Apache-2.0
// How long to wait before the next try.
#pragma once

#include <algorithm>
#include <chrono>

namespace vpowercap {

/// One second after the first failure, twice as long after each more, half a minute at most.
class BackOff {
 public:
  static constexpr std::chrono::seconds first{1};
  static constexpr std::chrono::seconds longest{30};

  /// How long to wait after one more failure.
  std::chrono::seconds next() {
    const auto wait = next_;
    next_ = std::min(next_ * 2, longest);
    return wait;
  }
  /// After a success.
  void reset() { next_ = first; }

 private:
  std::chrono::seconds next_ = first;
};

}  // namespace vpowercap
