// SPDX-License-Identifier: Apache-2.0
// Runs the sampler on its own thread, on the grid of the monotonic clock.
#pragma once

#include <thread>

#include "common/base/unique_fd.hpp"
#include "host/sampler/sampler.hpp"

namespace vpowercap {

/// Ticks a Sampler at whole multiples of its period until destroyed, and tells systemd's watchdog.
class SamplerThread {
 public:
  /// Throws std::system_error when timers cannot be made.
  SamplerThread(std::unique_ptr<Sampler> sampler, Nanoseconds period);
  ~SamplerThread();
  SamplerThread(const SamplerThread&) = delete;
  SamplerThread& operator=(const SamplerThread&) = delete;

  /// See Sampler; all thread-safe.
  void set_vms(std::vector<VmDescription> vms) { sampler_->set_vms(std::move(vms)); }
  void expect(VmDescription vm) { sampler_->expect(std::move(vm)); }
  Result<void> take_over(HandOver state) { return sampler_->take_over(std::move(state), clock_.now()); }
  /// Takes other account options over from the next tick on. Thread-safe.
  void set_account_options(const AccountOptions& options) { sampler_->set_account_options(options); }
  /// What is learned of idle power so far. Thread-safe.
  IdleLearner::Memory idle_memory() { return sampler_->idle_memory(); }

 private:
  void run();
  void tick();

  SystemClock clock_;
  std::unique_ptr<Sampler> sampler_;
  UniqueFd timer_;
  UniqueFd stop_;
  std::thread thread_;
};

}  // namespace vpowercap
