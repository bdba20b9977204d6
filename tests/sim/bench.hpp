// SPDX-License-Identifier: Apache-2.0
// Runs one scenario: the host, its kernel's files, all systems; and measures their errors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/host.hpp"
#include "tests/sim/kernel_files.hpp"
#include "tests/sim/system.hpp"

namespace vpowercap::sim {

/// What a scenario's script works with.
class Stage {
 public:
  /// The first of `ours` is the one that is compared with the others.
  Stage(HostShape shape, std::uint64_t seed, const std::vector<OurSettings>& ours);

  Host host;
  KernelFiles files;
  std::vector<std::unique_ptr<System>> systems;
  /// Ours set up in other ways, sampled when systems[0] is.
  std::vector<std::unique_ptr<OurSystem>> variants;
  std::vector<std::size_t> vms;  ///< indices of processes that are VMs, in the order of their start

  std::size_t start_vm(const ProcessSpec& spec);
  void end_vm(std::size_t vm);
  /// Calls `action` when the host's time is `seconds`.
  void at(double seconds, std::function<void()> action);
  /// Moves to `seconds`; a sample comes late with probability `late` each time, by up to 4 s.
  void run_to(double seconds, double late);
  /// Has every system sample now.
  void sample_all();

 private:
  struct Event {
    std::int64_t ms;
    std::function<void()> action;
  };
  void play_events();
  void sample_due(double late);
  void sample(std::size_t system);
  void for_each_system(const std::function<void(System&)>& action);

  std::vector<Event> events_;
  std::vector<std::int64_t> delayed_to_;
  Random delays_;
};

/// One named scenario.
struct Scenario {
  std::string name;
  std::string text;  ///< one sentence for the document
  HostShape shape;
  std::function<void(Stage&)> play;  ///< starts what runs and says what happens later
  double late = 0;                   ///< probability that a sample is late
};

/// All scenarios, in the document's order.
std::vector<Scenario> scenarios();

/// VMs that move much or little memory, with a zone of dram; with or without groups in resctrl.
Scenario memory_mix(bool resctrl);

/// Relative errors |estimated - true| / true over the VMs of a scenario: 0.01 is 1 %.
struct Errors {
  double mean = 0;
  double worst = 0;
};

/// One system in one scenario.
struct SystemResult {
  std::string system;
  Errors dram;   ///< of memory's dynamic energy; only where the host shows dram, and of ours
  Errors total;  ///< against the true energy: dynamic and the declared share of idle
  Errors
      dynamic;  ///< what the system says is dynamic (all, where it does not say) against true dynamic
};

/// Ours, set up in another way than in the comparison.
struct VariantResult {
  SystemResult errors;
  double idle_w = 0;  ///< idle power that it went by at the end, per package
};

struct ScenarioResult {
  std::string name;
  std::string text;
  std::size_t vms = 0;
  std::vector<SystemResult> systems;
  std::vector<VariantResult> variants;  ///< ours, set up in other ways
};

/// Seconds before the measured window, for every system to get its bases, and its length.
inline constexpr double warm_up_s = 20;
inline constexpr double window_s = 180;

ScenarioResult run(const Scenario& scenario);

}  // namespace vpowercap::sim
