// SPDX-License-Identifier: Apache-2.0
// The CPU time of one QEMU process, thread by thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.hpp"

namespace vpowercap {

/// Work of one thread up to now.
struct ThreadWork {
  std::int64_t tid = 0;
  std::optional<std::uint32_t> vcpu;  ///< the N of comm "CPU N/KVM" or "CPU N/TCG"; else a helper
  std::uint64_t run_ns = 0;           ///< time on CPUs, from task/TID/schedstat (field 1)
  std::uint32_t cpu = 0;              ///< CPU it last ran on, from task/TID/stat (field 39)
  /// Never the same for two threads of one VmProcess, also when the kernel gives a TID again.
  std::uint64_t serial = 0;
  std::uint64_t start_ticks = 0;  ///< clock ticks since boot, from task/TID/stat (field 22)
};

/// A process identified by PID and start time. Keeps its threads' files open. Not thread-safe.
class VmProcess {
 public:
  /// Errors: ESRCH when there is no such process below `proc_root` or its start time (field 22 of
  /// stat, clock ticks since boot) is not `start_ticks`: the PID was reused.
  static Result<VmProcess> open(const std::string& proc_root, std::int64_t pid,
                                std::uint64_t start_ticks);

  VmProcess(VmProcess&&) noexcept;
  VmProcess& operator=(VmProcess&&) noexcept;
  ~VmProcess();

  /// All threads now, by rising TID. A thread that ended since keeps nothing here; see `ended_ns`.
  /// A thread that cannot be read now is there with what was last seen of it, or left out when nothing
  /// was; see `take_problems`. Errors: ESRCH when the process is gone, or ended and not yet reaped.
  Result<std::vector<ThreadWork>> sample();
  /// True when a thread could not be read in the last sample(): the sum has less than the threads did.
  [[nodiscard]] bool is_cut() const;
  /// Work last seen of threads that have ended since open(): add it so that sums never go back.
  [[nodiscard]] std::uint64_t ended_ns() const;
  /// CPU time of the whole process with all threads that ever ended (stat fields 14 and 15), rounded
  /// down to clock ticks. Can be read until the process is reaped. Errors: ESRCH after that.
  [[nodiscard]] Result<std::uint64_t> total_ns() const;
  /// Readable from the moment the process has ended; -1 where that cannot be had, as when the proc root
  /// shows another PID namespace than ours.
  [[nodiscard]] int exit_fd() const;
  /// Threads that could not be read since the last call, each naming its file, once per outage.
  [[nodiscard]] std::vector<Error> take_problems();

 private:
  struct State;
  explicit VmProcess(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Field 22 of PID/stat below `proc_root`. Errors: ESRCH; EPROTO for a malformed file.
Result<std::uint64_t> process_start_ticks(const std::string& proc_root, std::int64_t pid);

/// Arguments of PID/cmdline below `proc_root`. Errors: ESRCH.
Result<std::vector<std::string>> process_arguments(const std::string& proc_root, std::int64_t pid);

}  // namespace vpowercap
