// SPDX-License-Identifier: Apache-2.0
// The helper processes of one VM and their work.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "common/procs/helpers.hpp"
#include "common/procs/vm_cgroup.hpp"
#include "common/procs/vm_process.hpp"

namespace vpowercap {

/// One thread whose work is followed, of QEMU or of a helper.
struct Piece {
  std::int64_t pid = 0;
  ThreadWork thread;
};

/// What the helpers have done up to now.
struct HelperWork {
  std::vector<Piece> outside;    ///< threads whose work no control group of the VM counts
  std::vector<Piece> inside;     ///< threads whose work its control group counts
  std::uint64_t outside_ns = 0;  ///< all work ever seen outside, also of what has ended
};

/// Follows helper processes. Not thread-safe.
class HelperSet {
 public:
  /// Follows those of `found` that it does not yet follow. The work of one that started before
  /// `counts_after` (clock ticks since boot) counts from now on only: the threads of these are returned
  /// as they stand. One that cannot be opened has ended and is left out.
  std::vector<Piece> adopt(const std::string& proc_root, const std::vector<ProcessId>& found,
                           std::uint64_t counts_after);

  /// Reads all. `group` is the VM's own, or null. A helper outside that has come into it is inside from
  /// then on; its work of the tick in which it moved is not counted.
  HelperWork sample(const VmCgroup* group);

  std::vector<Error> take_problems();

 private:
  struct Helper {
    ProcessId id;
    VmProcess process;
    UniqueFd cgroup;            ///< its PID/cgroup
    std::uint64_t last_ns = 0;  ///< its work when last read
    bool was_inside = false;    ///< then
  };
  static bool is_inside(const Helper& helper, const VmCgroup* group);

  std::map<std::int64_t, Helper> helpers_;  ///< by PID
  std::uint64_t outside_ns_ = 0;
};

}  // namespace vpowercap
