// SPDX-License-Identifier: Apache-2.0
// The meters of all VMs, from a VM's first moment to its last.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "host/sampler/vm_meter.hpp"

namespace vpowercap {

/// Keeps one meter per VM and reads what a VM did last as soon as its process ends. One thread uses it;
/// poke() alone is for any.
class VmMeters {
 public:
  using Problems = std::function<void(const Error&)>;

  /// `libvirt_pid_dir`: where libvirt keeps the PID files of helpers. Throws std::system_error when
  /// there are no descriptors.
  VmMeters(MeterRoots roots, std::string libvirt_pid_dir, Problems problems);

  [[nodiscard]] bool follows(const Uuid& uuid) const { return meters_.contains(uuid); }
  /// UUIDs followed, in order.
  [[nodiscard]] std::vector<Uuid> all() const;

  /// Follows the VM's process, or takes over its new description. Of an earlier process of the same VM
  /// the last work is read. Errors: as VmMeter::open.
  Result<void> follow(const VmDescription& vm, std::optional<WorkMark> mark, const Span& span);
  /// Looks for helpers where VMs are new: one that ends within its first tick has them too.
  void find_new_helpers();
  /// Reads the VM's work a last time and follows it no longer.
  void leave(const Uuid& uuid, const Span& span);

  /// Readable when attend() has something to do.
  [[nodiscard]] int event_fd() const { return epoll_.get(); }
  /// Makes event_fd() readable. Thread-safe.
  void poke() const;
  /// Reads the last work of processes that have ended since. `span` is what has passed of the tick.
  void attend(Span span);

  /// True when the VM's last work has been read and waits for measure().
  [[nodiscard]] bool has_last_work(const Uuid& uuid) const { return finished_.contains(uuid); }
  /// The threads of every VM that is followed.
  [[nodiscard]] std::map<Uuid, VmThreads> threads() const;
  /// Work of all VMs in the tick, one sample per VM.
  std::vector<VmSample> measure(const Span& span);

 private:
  void finish(std::map<Uuid, VmMeter>::iterator meter, const Span& span);
  void find_helpers_of_all();
  void plan_search(Nanoseconds now);

  MeterRoots roots_;
  std::string libvirt_pid_dir_;
  Problems problems_;
  UniqueFd epoll_;
  UniqueFd poke_;
  std::map<Uuid, VmMeter> meters_;
  std::map<Uuid, VmSample> finished_;  ///< last work, waiting for the tick's end
  bool has_new_ = false;               ///< VMs whose helpers were not yet looked for
  bool has_all_helpers_ = true;        ///< as far as could be read when they were last looked for
  Nanoseconds retry_wait_{0};          ///< until the search is made again, if not
  Nanoseconds next_search_{0};         ///< CLOCK_BOOTTIME
};

}  // namespace vpowercap
