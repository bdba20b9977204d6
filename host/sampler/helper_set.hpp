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
  std::uint64_t outside_ns = 0;  ///< all work outside, from each one's start, also of what has ended
  /// One outside has ended since the last sample, and what it did last cannot be read any more.
  bool is_cut = false;
};

/// Helpers that were there before their work counts.
struct OldHelpers {
  bool is_whole = true;          ///< false: one found could not be read and is to be adopted again
  std::vector<Piece> threads;    ///< as they stand
  std::uint64_t outside_ns = 0;  ///< of HelperWork::outside_ns, what they did before they were followed
};

/// Follows helper processes. Not thread-safe.
class HelperSet {
 public:
  /// Follows those of `found` that it does not yet follow. One that started before `counts_after`
  /// (clock ticks since boot) is told as old: what it did up to now is in outside_ns from now on, so
  /// that this is the same for every writer, and has to be taken as charged. `group` is the VM's own,
  /// or null. One that has ended is left out.
  OldHelpers adopt(const std::string& proc_root, const std::vector<ProcessId>& found,
                   std::uint64_t counts_after, const VmCgroup* group);

  /// Reads all. `group` is the VM's own, or null. A helper outside that has come into it is inside from
  /// then on; its work of the tick in which it moved is not counted, nor that of one whose group cannot
  /// be read.
  HelperWork sample(const VmCgroup* group);

  /// What could not be read since the last call, each naming its file.
  std::vector<Error> take_problems();

 private:
  struct Helper {
    ProcessId id;
    VmProcess process;
    std::string cgroup_path;    ///< its PID/cgroup
    UniqueFd cgroup;            ///< opened when it is first asked for
    std::uint64_t last_ns = 0;  ///< its work when last read
    bool was_inside = false;    ///< then
  };
  bool is_inside(Helper& helper, const VmCgroup* group);
  void tell(const Error& error);

  std::map<std::int64_t, Helper> helpers_;  ///< by PID
  std::vector<Error> problems_;
  std::uint64_t outside_ns_ = 0;
};

}  // namespace vpowercap
