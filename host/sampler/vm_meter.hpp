// SPDX-License-Identifier: Apache-2.0
// Measures the work of one VM between two ticks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/model/vm.hpp"
#include "common/procs/vm_cgroup.hpp"
#include "common/procs/vm_process.hpp"
#include "host/sampler/account.hpp"
#include "host/sampler/helper_set.hpp"
#include "host/sampler/traffic_meter.hpp"
#include "host/sampler/vcpu_places.hpp"

namespace vpowercap {

/// Where processes and control groups are read.
struct MeterRoots {
  std::string proc = "/proc";
  std::string sysfs = "/sys";
};

/// A measured stretch of time, from the last tick on.
struct Span {
  Nanoseconds length{0};         ///< 0 at the first tick
  Nanoseconds since_boot{0};     ///< CLOCK_BOOTTIME at its end
  bool has_exit = false;         ///< the process is known to have ended at the span's end
  const CpuMap* cpus = nullptr;  ///< where its vCPUs may run is told only with it
};

/// Raw work of a VM as an earlier writer noted it.
struct WorkMark {
  std::uint64_t ns = 0;
  WorkSource source = WorkSource::processes;
};

/// What a VM did in a span. The work is by CPU still, `tick.work` is empty.
struct VmSample {
  VmTick tick;
  std::map<std::uint32_t, PackageWork> by_cpu;
  bool has_ended = false;        ///< there is nothing more to be measured
  std::optional<Error> problem;  ///< why nothing could be read
};

/// Follows one QEMU process, its control group and its helpers. Not thread-safe.
///
/// Work of a thread counts on the CPU it last ran on, in equal halves on that and the one before when
/// they differ: where between two ticks it moved is not known, and half is wrong by half as much as
/// all on the last. What the VM's control group counts and no thread shows (helper processes within,
/// threads that lived between two ticks) is the rest; without a group, the process's own total. It is
/// spread as the helpers within worked, else as the VM did. Counters of the whole are read before
/// those of the parts, so that work never counts twice.
class VmMeter {
 public:
  /// Work counts from `mark` when it is of the same source; else from the process's start when it was
  /// born within `span`, what has passed of the tick; else from now. Errors: ESRCH when the process is
  /// gone or is another one; others of its files.
  static Result<VmMeter> open(const MeterRoots& roots, const VmDescription& vm,
                              std::optional<WorkMark> mark, const Span& span);

  /// Work since the last call. When the process has ended: its last work, from the counters that
  /// outlive it (the control group; the process's total until it is reaped); without any, a gap. When
  /// the time of the end is not known it is taken to be the middle of the span.
  VmSample measure(const Span& span);

  /// Helper processes found for this VM. A new one's work counts from its start when it was born since
  /// this meter was opened, else from now on; that of those the VM was born with from their start,
  /// until `are_all` says for the first time that none is missing. False: one could not be read, adopt
  /// it again.
  bool adopt(const std::vector<ProcessId>& helpers, bool are_all = true);

  /// The threads of QEMU and of its helpers, as last read.
  [[nodiscard]] VmThreads threads() const;
  /// See VmProcess::exit_fd.
  [[nodiscard]] int exit_fd() const { return process_.exit_fd(); }
  /// What was odd about single threads and the control group since the last call, each naming its file.
  std::vector<Error> take_problems();

  /// Takes over a changed description of the same process.
  void describe(const VmDescription& vm) { vm_ = vm; }
  [[nodiscard]] const VmDescription& vm() const { return vm_; }

 private:
  using Key = std::pair<std::int64_t, std::uint64_t>;  // PID, serial
  struct Last {
    ThreadWork thread;
    std::uint64_t charged_ns = 0;  ///< its work up to which is charged
    std::uint64_t recent_ns = 0;   ///< its work in the last span
  };
  using LastOf = std::map<Key, Last>;
  /// All threads as one reading shows them.
  struct Threads {
    std::vector<Piece> counted;
    std::vector<Piece> inside;  ///< helpers in the control group: part of the rest
  };

  VmMeter(MeterRoots roots, VmDescription vm, VmProcess process);
  static Key key(const Piece& piece) { return {piece.pid, piece.thread.serial}; }
  [[nodiscard]] std::uint64_t sum_ns() const { return seen_ns_ + rest_ns_ + outside_ns_; }
  [[nodiscard]] std::uint64_t uncharged_ns() const;
  [[nodiscard]] Nanoseconds lived(const Span& span) const;
  void start(std::optional<WorkMark> mark, const Span& span, const Threads& threads);
  void find_group();
  std::optional<std::uint64_t> read_whole();
  void settle_rest(std::optional<std::uint64_t> whole_ns);
  Result<Threads> read();
  [[nodiscard]] VmSample begin(const Span& span) const;
  /// Notes where the vCPUs have a right to run.
  void place(const Threads& threads, const Span& span);
  void add(VmSample& sample, const ThreadWork& thread, std::uint32_t cpu_before,
           std::uint64_t work_ns) const;
  void pass_over_old_work(const Threads& threads);
  void charge(VmSample& sample, const Threads& threads);
  void charge_rest(VmSample& sample, std::uint64_t rest_ns, const Threads& threads) const;
  void charge_as_before(VmSample& sample, std::uint64_t work_ns) const;
  bool read_last_rest();
  VmSample finish(const Span& span);

  MeterRoots roots_;
  VmDescription vm_;
  VmProcess process_;
  VcpuPlaces places_;
  std::map<ZoneScope, std::vector<std::uint64_t>> reserved_;  ///< see VmTick
  std::optional<VmCgroup> group_;
  std::optional<Error> group_trouble_;  ///< why it could not be read since the last sample
  std::vector<Error> problems_;
  HelperSet helpers_;
  LastOf last_;                       ///< by thread
  std::uint64_t seen_ns_ = 0;         ///< work of QEMU's threads, living and ended
  std::uint64_t rest_ns_ = 0;         ///< the most that the whole had beyond that
  std::uint64_t outside_ns_ = 0;      ///< work of helpers that the whole does not count
  std::uint64_t charged_ns_ = 0;      ///< of the sum of the three, what is charged
  std::uint64_t unseen_ns_ = 0;       ///< of the process's total when opened, what no thread had
  std::uint64_t opened_rest_ns_ = 0;  ///< rest_ns_ when opened
  std::uint64_t opened_ticks_ = 0;    ///< when; older helpers' work counts from when they are found
  bool has_cut_helper_ = false;       ///< in the last reading, see HelperWork
  bool is_catching_up_ = false;       ///< the next work is that of a writer's absence
  bool counts_helpers_from_birth_ = false;
  bool counts_from_now_ = false;               ///< work before it was opened is not the VM's here
  bool is_found_late_ = false;                 ///< and that is still to be told
  WorkSource source_ = WorkSource::processes;  ///< of rest_ns_
  unsigned wait_ = 0;                          ///< ticks between two searches for a missing group
  unsigned until_search_ = 0;
};

}  // namespace vpowercap
