// SPDX-License-Identifier: Apache-2.0
// The one line of PID/stat and PID/task/TID/stat, taken apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/result.hpp"

namespace vpowercap {

/// A stat line (proc(5)). The name of the thread may hold blanks, newlines and parentheses, so that
/// only the last ")" ends it. Borrows the text it was parsed from.
class StatLine {
 public:
  /// Errors: EPROTO with a sentence that lacks the file's name: the caller puts it before.
  static Result<StatLine> parse(std::string_view text);

  [[nodiscard]] std::string_view comm() const { return comm_; }
  /// The unsigned number in field `number` (3 and above, counted as in proc(5)).
  /// Errors: EPROTO, as parse().
  [[nodiscard]] Result<std::uint64_t> field(unsigned number) const;

 private:
  StatLine(std::string_view comm, std::string_view rest) : comm_(comm), rest_(rest) {}

  std::string_view comm_;
  std::string_view rest_;  // from field 3 on
};

/// The N of a vCPU thread's name, "CPU N/KVM" or "CPU N/TCG" (QEMU's option -name debug-threads=on,
/// which libvirt always gives).
std::optional<std::uint32_t> vcpu_of(std::string_view comm);

}  // namespace vpowercap
