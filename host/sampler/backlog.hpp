// SPDX-License-Identifier: Apache-2.0
// Work whose energy is to come.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/sampler/tick.hpp"

namespace vpowercap {

/// What ran in a zone's scope while its energy had not come yet.
class Backlog {
 public:
  void add(const Tick& tick, ZoneScope scope, Nanoseconds length);
  void clear() { *this = {}; }
  [[nodiscard]] bool empty() const { return length_ == Nanoseconds(0) && vms_.empty(); }
  [[nodiscard]] std::uint64_t busy_ns() const { return busy_ns_; }
  [[nodiscard]] Nanoseconds length() const { return length_; }
  /// Bytes of all memory traffic; nullopt: not known for all of the time.
  [[nodiscard]] std::optional<std::uint64_t> traffic() const { return traffic_; }
  /// Every VM that ran, with its sums; it may be gone by now.
  [[nodiscard]] const std::vector<VmTick>& vms() const { return vms_; }

 private:
  std::uint64_t busy_ns_ = 0;
  Nanoseconds length_{0};
  std::optional<std::uint64_t> traffic_ = 0;
  std::vector<VmTick> vms_;  ///< by UUID
};

}  // namespace vpowercap
