// SPDX-License-Identifier: Apache-2.0
// Running of scenarios.
#include "tests/sim/bench.hpp"

#include <algorithm>
#include <cmath>

namespace vpowercap::sim {
namespace {

struct Truth {
  double total_j = 0;
  double dynamic_j = 0;
};

Truth truth_of(const Process& process) {
  return {process.package_dynamic_j + process.package_idle_j, process.package_dynamic_j};
}

/// What everything counted has come to at one time.
struct Marks {
  std::vector<Truth> truth;
  std::vector<Estimates> estimates;
};

Marks marks_of(const Stage& stage) {
  Marks marks;
  for (const auto& process : stage.host.processes()) marks.truth.push_back(truth_of(process));
  for (const auto& system : stage.systems) marks.estimates.push_back(system->estimates());
  return marks;
}

Estimate at(const Estimates& estimates, std::size_t vm) {
  const auto found = estimates.find(vm);
  return found == estimates.end() ? Estimate{} : found->second;
}

void note(Errors& errors, double estimated_j, double true_j, std::size_t vms) {
  const double error = std::abs(estimated_j - true_j) / true_j;
  errors.mean += error / static_cast<double>(vms);
  errors.worst = std::max(errors.worst, error);
}

}  // namespace

Stage::Stage(HostShape shape, std::uint64_t seed, const OurSettings& settings)
    : host(shape, seed), files(host), delays_(seed + 1) {
  systems.push_back(make_vpowercap(files, settings));
  systems.push_back(make_scaphandre(files));
  systems.push_back(make_qemu_rapl(files));
  systems.push_back(make_kepler(files));
  delayed_to_.resize(systems.size(), 0);
}

std::size_t Stage::start_vm(const ProcessSpec& spec) {
  const auto vm = host.start(spec);
  vms.push_back(vm);
  files.write();
  for (const auto& system : systems) system->vm_started(vm, host.processes()[vm]);
  return vm;
}

void Stage::end_vm(std::size_t vm) {
  files.write();
  for (const auto& system : systems) system->vm_ended(vm);
  host.end(vm);
  files.write();
}

void Stage::at(double seconds, std::function<void()> action) {
  events_.push_back({std::llround(seconds * 1000), std::move(action)});
  std::stable_sort(events_.begin(), events_.end(),
                   [](const Event& a, const Event& b) { return a.ms < b.ms; });
}

void Stage::play_events() {
  while (!events_.empty() && events_.front().ms <= host.now_ms()) {
    const auto action = std::move(events_.front().action);
    events_.erase(events_.begin());
    action();
  }
}

void Stage::sample_due(double late) {
  const auto now = host.now_ms();
  for (std::size_t i = 0; i < systems.size(); ++i) {
    if (now < systems[i]->next_ms() || now < delayed_to_[i]) continue;
    const bool was_delayed = delayed_to_[i] != 0;
    delayed_to_[i] = 0;
    if (late > 0 && !was_delayed && delays_.unit() < late) {
      delayed_to_[i] = now + 300 + delays_.below(3700);
      continue;
    }
    files.write();
    systems[i]->sample(now);
  }
}

void Stage::sample_all() {
  files.write();
  for (std::size_t i = 0; i < systems.size(); ++i) {
    systems[i]->sample(host.now_ms());
    delayed_to_[i] = 0;
  }
}

void Stage::run_to(double seconds, double late) {
  const auto end = std::llround(seconds * 1000);
  while (host.now_ms() < end) {
    play_events();
    sample_due(late);
    host.step();
  }
}

ScenarioResult run(const Scenario& scenario) {
  Stage stage(scenario.shape, 20250101, scenario.settings);
  scenario.play(stage);
  stage.run_to(warm_up_s, 0);
  stage.sample_all();
  const auto before = marks_of(stage);
  stage.run_to(warm_up_s + window_s, scenario.late);
  stage.sample_all();
  const auto after = marks_of(stage);

  ScenarioResult result{.name = scenario.name, .text = scenario.text, .vms = stage.vms.size()};
  for (std::size_t i = 0; i < stage.systems.size(); ++i) {
    SystemResult errors{.system = stage.systems[i]->name()};
    for (const auto vm : stage.vms) {
      const auto base = vm < before.truth.size() ? before.truth[vm] : Truth{};
      const auto first = at(before.estimates[i], vm);
      const auto last = at(after.estimates[i], vm);
      note(errors.total, last.total_j - first.total_j, after.truth[vm].total_j - base.total_j,
           stage.vms.size());
      note(errors.dynamic, last.dynamic_j - first.dynamic_j, after.truth[vm].dynamic_j - base.dynamic_j,
           stage.vms.size());
    }
    result.systems.push_back(errors);
  }
  return result;
}

}  // namespace vpowercap::sim
