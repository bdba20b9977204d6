// SPDX-License-Identifier: Apache-2.0
// Runs the sampler on its own thread, on the grid of the monotonic clock.
#pragma once

#include <thread>

#include "common/base/unique_fd.hpp"
#include "host/sampler/sampler.hpp"

namespace vpowercap {

/// Ticks a Sampler at whole multiples of its period until destroyed. Between ticks too it tells
/// systemd's watchdog and the ledger's readers that it is well; in a tick that hangs it tells nobody.
class SamplerThread {
 public:
  /// Well below WatchdogSec of the unit and the least stale-after of a tick that is as long.
  static constexpr std::chrono::milliseconds longest_silence{10'000};

  /// Throws std::system_error when timers cannot be made.
  SamplerThread(std::unique_ptr<Sampler> sampler, Nanoseconds period,
                std::chrono::milliseconds silence = longest_silence);
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
  void give_sign_of_life();

  SystemClock clock_;
  std::unique_ptr<Sampler> sampler_;
  UniqueFd timer_;
  UniqueFd stop_;
  const int silence_ms_;
  std::thread thread_;
};

}  // namespace vpowercap
