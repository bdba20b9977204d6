// SPDX-License-Identifier: Apache-2.0
// States that were handed over and wait for their VMs, kept across a restart.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "host/sampler/hand_over.hpp"

namespace vpowercap {

/// One state per VM, the last one holds. Each is a file UUID.json before add() returns, so that whoever
/// was told that it waits is right even if the process is killed. Thread-safe.
class AwaitedVms {
 public:
  /// A VM comes within this time.
  static constexpr Nanoseconds await_for = std::chrono::minutes(10);

  /// Takes up what an earlier process kept in `directory`, which is made when it is needed. "": states
  /// live no longer than this object.
  explicit AwaitedVms(std::string directory);

  /// `now` is CLOCK_MONOTONIC, here and below. Errors: ENOSPC when max_vms others wait; those of
  /// writing the file.
  Result<void> add(HandOver state, Nanoseconds now);

  /// Hands each state to `apply`, which says whether the VM is there to stay. One whose time is over is
  /// forgotten.
  void apply_all(Nanoseconds now, const std::function<bool(const HandOver&)>& apply);
  /// Forgets those whose VM was there: to be called when what they brought is kept elsewhere.
  void forget_applied();

  /// What went wrong since the last call, each naming its file.
  std::vector<Error> take_problems();

 private:
  struct One {
    HandOver state;
    Nanoseconds until{0};
    bool is_applied = false;
  };
  [[nodiscard]] std::string path_of(const Uuid& uuid) const;
  void load();
  void load_file(const std::string& name);
  Result<void> keep(const One& one) const;
  void forget_if(const std::function<bool(const One&)>& is_over);

  const std::string directory_;
  std::mutex mutex_;
  std::string boot_;  ///< monotonic times are of this boot
  std::map<Uuid, One> all_;
  std::vector<Error> problems_;
};

}  // namespace vpowercap
