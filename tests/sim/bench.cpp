// SPDX-License-Identifier: Apache-2.0
// Running of scenarios.
#include "tests/sim/bench.hpp"

#include <algorithm>
#include <cmath>

#include "tests/sim/our_settings.hpp"

namespace vpowercap::sim {
namespace {

struct Truth {
  double total_j = 0;
  double dynamic_j = 0;
  double dram_dynamic_j = 0;
};

Truth truth_of(const Process& process) {
  return {process.package_dynamic_j + process.package_idle_j, process.package_dynamic_j,
          process.dram_dynamic_j};
}

/// What everything counted has come to at one time.
struct Marks {
  std::vector<Truth> truth;
  std::vector<Estimates> systems;
  std::vector<Estimates> variants;
};

Marks marks_of(const Stage& stage) {
  Marks marks;
  for (const auto& process : stage.host.processes()) marks.truth.push_back(truth_of(process));
  for (const auto& system : stage.systems) marks.systems.push_back(system->estimates());
  for (const auto& variant : stage.variants) marks.variants.push_back(variant->estimates());
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

/// Errors of one system over the window, whose estimates went from `first` to `last`.
SystemResult errors_of(const System& system, const Stage& stage, const std::vector<Truth>& true_first,
                       const std::vector<Truth>& true_last, const Estimates& first,
                       const Estimates& last) {
  SystemResult errors{.system = system.name()};
  for (const auto vm : stage.vms) {
    const auto base = vm < true_first.size() ? true_first[vm] : Truth{};
    const auto from = at(first, vm);
    const auto to = at(last, vm);
    note(errors.total, to.total_j - from.total_j, true_last[vm].total_j - base.total_j,
         stage.vms.size());
    note(errors.dynamic, to.dynamic_j - from.dynamic_j, true_last[vm].dynamic_j - base.dynamic_j,
         stage.vms.size());
    if (stage.host.shape().dram)
      note(errors.dram, to.dram_dynamic_j - from.dram_dynamic_j,
           true_last[vm].dram_dynamic_j - base.dram_dynamic_j, stage.vms.size());
  }
  return errors;
}

}  // namespace

Stage::Stage(HostShape shape, std::uint64_t seed, const std::vector<OurSettings>& ours)
    : host(shape, seed), files(host), delays_(seed + 1) {
  systems.push_back(make_vpowercap(files, ours.front()));
  for (std::size_t i = 1; i < ours.size(); ++i) variants.push_back(make_vpowercap(files, ours[i]));
  systems.push_back(make_scaphandre(files));
  systems.push_back(make_qemu_rapl(files));
  systems.push_back(make_kepler(files));
  delayed_to_.resize(systems.size(), 0);
}

std::size_t Stage::start_vm(const ProcessSpec& spec) {
  const auto vm = host.start(spec);
  vms.push_back(vm);
  files.write();
  for_each_system([&](System& system) { system.vm_started(vm, host.processes()[vm]); });
  return vm;
}

void Stage::end_vm(std::size_t vm) {
  files.write();
  for_each_system([&](System& system) { system.vm_ended(vm); });
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
    sample(i);
  }
}

void Stage::sample(std::size_t system) {
  systems[system]->sample(host.now_ms());
  if (system > 0) return;
  for (const auto& variant : variants) variant->sample(host.now_ms());
}

void Stage::for_each_system(const std::function<void(System&)>& action) {
  for (const auto& system : systems) action(*system);
  for (const auto& variant : variants) action(*variant);
}

void Stage::sample_all() {
  files.write();
  for (std::size_t i = 0; i < systems.size(); ++i) {
    sample(i);
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
  Stage stage(scenario.shape, 20250101, our_settings(scenario.shape));
  scenario.play(stage);
  stage.run_to(warm_up_s, 0);
  stage.sample_all();
  const auto before = marks_of(stage);
  stage.run_to(warm_up_s + window_s, scenario.late);
  stage.sample_all();
  const auto after = marks_of(stage);

  ScenarioResult result{.name = scenario.name, .text = scenario.text, .vms = stage.vms.size()};
  const auto errors = [&](const System& system, const Estimates& first, const Estimates& last) {
    return errors_of(system, stage, before.truth, after.truth, first, last);
  };
  for (std::size_t i = 0; i < stage.systems.size(); ++i)
    result.systems.push_back(errors(*stage.systems[i], before.systems[i], after.systems[i]));
  for (std::size_t i = 0; i < stage.variants.size(); ++i) {
    const auto& variant = *stage.variants[i];
    result.variants.push_back(
        {errors(variant, before.variants[i], after.variants[i]), variant.idle_w()});
  }
  return result;
}

}  // namespace vpowercap::sim
