// SPDX-License-Identifier: Apache-2.0
// Where the CPU time of a VM is read.
#pragma once

#include <cstdint>
#include <string_view>

namespace vpowercap {

/// processes: QEMU's threads and total and those of its helpers; cgroup: these and all that its control
/// group counts.
enum class WorkSource : std::uint32_t { processes = 0, cgroup = 1 };

constexpr std::string_view to_string(WorkSource source) {
  return source == WorkSource::cgroup ? "cgroup" : "processes";
}

}  // namespace vpowercap
