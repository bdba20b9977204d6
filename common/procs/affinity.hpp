// SPDX-License-Identifier: Apache-2.0
// The CPUs that a thread may run on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.hpp"

namespace vpowercap {

/// A set of CPUs as the kernel prints it ("0-3,8").
class CpuList {
 public:
  /// Errors: EPROTO with a sentence that lacks the file's name: the caller puts it before.
  static Result<CpuList> parse(std::string_view text);

  [[nodiscard]] bool contains(std::uint32_t cpu) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }

 private:
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges_;  ///< first and last
};

/// Cpus_allowed_list of `task_directory`/TID/status: what pinning and cpusets together leave. It may
/// name CPUs that are offline. Errors: ESRCH when the thread has ended; EPROTO naming the file.
Result<CpuList> read_allowed_cpus(const std::string& task_directory, std::int64_t tid);

}  // namespace vpowercap
