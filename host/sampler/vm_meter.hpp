// SPDX-License-Identifier: Apache-2.0
// Measures the work of one VM between two ticks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/model/vm.hpp"
#include "common/procs/cpus.hpp"
#include "common/procs/vm_process.hpp"
#include "host/sampler/account.hpp"
#include "host/sampler/vcpu_places.hpp"

namespace vpowercap {

/// Follows the threads of one QEMU process. Not thread-safe.
class VmMeter {
 public:
  /// Errors: ESRCH when the process is gone or is another one.
  static Result<VmMeter> open(const std::string& proc_root, const VmDescription& vm);

  /// Work since the last call, by package and virtual socket. The first call counts from `mark_ns`, the
  /// raw work sum that an earlier writer noted for the same process; without one, from the process's
  /// birth when it was born within this tick, else from now.
  /// `interval`: length of the tick; `since_boot`: CLOCK_BOOTTIME now. Errors: ESRCH when the VM is
  /// gone.
  Result<VmTick> measure(Nanoseconds interval, Nanoseconds since_boot,
                         std::optional<std::uint64_t> mark_ns, const CpuMap& cpus);

  /// What was odd about single threads since the last call, each naming its file.
  std::vector<Error> take_problems() { return process_.take_problems(); }

  /// Takes over a changed description of the same process.
  void describe(const VmDescription& vm) { vm_ = vm; }
  [[nodiscard]] const VmDescription& vm() const { return vm_; }

 private:
  VmMeter(VmDescription vm, VmProcess process, VcpuPlaces places)
      : vm_(std::move(vm)), process_(std::move(process)), places_(std::move(places)) {}
  void add(VmTick& tick, const ThreadWork& thread, std::uint64_t work_ns, const CpuMap& cpus) const;
  void start_from(VmTick& tick, const std::vector<ThreadWork>& threads, std::uint64_t sum_ns,
                  std::uint64_t mark_ns, const CpuMap& cpus) const;

  VmDescription vm_;
  VmProcess process_;
  VcpuPlaces places_;
  std::map<std::int64_t, std::uint64_t> last_ns_;  ///< by thread
  bool is_first_ = true;
};

}  // namespace vpowercap
