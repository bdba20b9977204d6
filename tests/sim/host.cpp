// SPDX-License-Identifier: Apache-2.0
// The simulated host: scheduling, power and truth, step by step.
#include "tests/sim/host.hpp"

#include <algorithm>
#include <cmath>

namespace vpowercap::sim {
namespace {

constexpr std::int64_t kernel_tick_ms = 4;  // CONFIG_HZ=250
constexpr std::int64_t slice_of_ms = 4;

}  // namespace

Host::Host(HostShape shape, std::uint64_t seed)
    : shape_(shape),
      random_(seed),
      on_cpu_(shape.cpus(), -1),
      energy_(shape.packages),
      busy_ms_(shape.cpus(), 0) {
  // Counters do not begin at 0.
  for (auto& energy : energy_) energy = {random_.between(1000, 200000), random_.between(1000, 9000), 0};
  energy_shown_ = energy_;
}

std::size_t Host::start(const ProcessSpec& spec) {
  const std::size_t index = processes_.size();
  Process process{.comm = spec.comm, .vcpus = spec.vcpus, .pid = next_id_, .born_ms = now_ms_};
  process.memory_bytes.resize(shape_.packages, 0);
  std::int64_t virtual_ms = now_ms_;
  for (const auto other : living_) virtual_ms = std::min(virtual_ms, threads_[other].virtual_ms);
  for (const auto& thread_spec : spec.threads) {
    Thread thread{.spec = thread_spec, .tid = next_id_++, .process = index, .virtual_ms = virtual_ms};
    thread.left_ms = random_.below(20);
    thread.last_cpu = random_.below(shape_.cpus());
    process.threads.push_back(threads_.size());
    living_.push_back(threads_.size());
    threads_.push_back(std::move(thread));
  }
  processes_.push_back(std::move(process));
  return index;
}

void Host::end(std::size_t process) {
  processes_[process].alive = false;
  for (const auto index : processes_[process].threads) {
    release(threads_[index]);
    std::erase(living_, index);
  }
}

void Host::pin(std::size_t process, const std::vector<std::uint32_t>& cpus) {
  for (const auto index : processes_[process].threads) {
    auto& thread = threads_[index];
    thread.spec.cpus = cpus;
    if (thread.on_cpu >= 0 && !may_run(thread, static_cast<std::uint32_t>(thread.on_cpu)))
      release(thread);
  }
}

void Host::release(Thread& thread) {
  if (thread.on_cpu >= 0) on_cpu_[static_cast<std::size_t>(thread.on_cpu)] = -1;
  thread.on_cpu = -1;
  thread.shown_ms = thread.run_ms;  // the kernel updates a thread's time when it leaves its CPU
}

void Host::take(Thread& thread, std::uint32_t cpu) {
  on_cpu_[cpu] = static_cast<int>(&thread - threads_.data());
  thread.on_cpu = static_cast<int>(cpu);
  thread.last_cpu = cpu;
  thread.slice_ms = 0;
}

bool Host::may_run(const Thread& thread, std::uint32_t cpu) const {
  const auto& cpus = thread.spec.cpus;
  return cpus.empty() || std::find(cpus.begin(), cpus.end(), cpu) != cpus.end();
}

void Host::advance_wish(Thread& thread) {
  if (thread.left_ms > 0) {
    // Sleep passes by itself, a burst only while running.
    if (!thread.wants) --thread.left_ms;
    return;
  }
  const double load = thread.spec.load(static_cast<double>(now_ms_) / 1000);
  const auto drawn = [&](double mean) {
    return std::max<std::int64_t>(1, std::llround(-mean * std::log(1 - random_.unit())));
  };
  if (load >= 1) {
    thread.wants = true;
    thread.left_ms = 20;
  } else if (load <= 0) {
    thread.wants = false;
    thread.left_ms = 20;
  } else if (thread.wants) {
    thread.wants = false;
    thread.left_ms = drawn(thread.spec.burst_ms * (1 - load) / load);
  } else {
    thread.wants = true;
    thread.left_ms = drawn(thread.spec.burst_ms);
  }
  if (!thread.wants) release(thread);
}

/// As the kernel's wake-up does: a core without a busy sibling first, near where the thread was.
int Host::free_cpu_for(const Thread& thread) const {
  int best = -1;
  int best_score = -1;
  for (std::uint32_t cpu = 0; cpu < shape_.cpus(); ++cpu) {
    if (on_cpu_[cpu] >= 0 || !may_run(thread, cpu)) continue;
    bool core_idle = true;
    for (std::uint32_t s = 0; s < shape_.siblings; ++s)
      core_idle = core_idle && on_cpu_[shape_.core_of(cpu) + s * shape_.all_cores()] < 0;
    const int score = (core_idle ? 4 : 0) +
                      (shape_.package_of(cpu) == shape_.package_of(thread.last_cpu) ? 2 : 0) +
                      (cpu == thread.last_cpu ? 1 : 0);
    if (score > best_score) {
      best = static_cast<int>(cpu);
      best_score = score;
    }
  }
  return best;
}

int Host::cpu_to_preempt(const Thread& thread) const {
  int best = -1;
  std::int64_t most = thread.virtual_ms;
  for (std::uint32_t cpu = 0; cpu < shape_.cpus(); ++cpu) {
    if (on_cpu_[cpu] < 0 || !may_run(thread, cpu)) continue;
    const auto& other = threads_[static_cast<std::size_t>(on_cpu_[cpu])];
    if (other.slice_ms < slice_of_ms || other.virtual_ms <= most) continue;
    best = static_cast<int>(cpu);
    most = other.virtual_ms;
  }
  return best;
}

void Host::schedule() {
  std::vector<Thread*> waiting;
  std::int64_t least = now_ms_;
  for (const auto index : living_) {
    auto& thread = threads_[index];
    advance_wish(thread);
    if (!thread.wants) continue;
    least = std::min(least, thread.virtual_ms);
    if (thread.on_cpu < 0) waiting.push_back(&thread);
  }
  std::stable_sort(waiting.begin(), waiting.end(),
                   [](const Thread* a, const Thread* b) { return a->virtual_ms < b->virtual_ms; });
  for (auto* thread : waiting) {
    int cpu = free_cpu_for(*thread);
    if (cpu < 0) {
      cpu = cpu_to_preempt(*thread);
      if (cpu < 0) continue;
      release(threads_[static_cast<std::size_t>(on_cpu_[static_cast<std::size_t>(cpu)])]);
    }
    take(*thread, static_cast<std::uint32_t>(cpu));
  }
  // A sleeper gets no credit for its sleep beyond a slice or two.
  for (const auto index : living_)
    if (auto& thread = threads_[index]; !thread.wants)
      thread.virtual_ms = std::max(thread.virtual_ms, least - 2 * slice_of_ms);
}

void Host::draw_power() {
  energy_shown_ = energy_;
  std::vector<Running> running;
  std::vector<std::size_t> who;
  for (std::uint32_t package = 0; package < shape_.packages; ++package) {
    running.clear();
    who.clear();
    for (std::uint32_t cpu = 0; cpu < shape_.cpus(); ++cpu) {
      if (on_cpu_[cpu] < 0 || shape_.package_of(cpu) != package) continue;
      const auto index = static_cast<std::size_t>(on_cpu_[cpu]);
      const auto& spec = threads_[index].spec;
      running.push_back({shape_.core_of(cpu) % shape_.cores, spec.intensity, spec.memory});
      who.push_back(threads_[index].process);
    }
    const auto power = power_of(shape_.power, shape_.cores, running);
    energy_[package].package_j += (shape_.power.static_w + power.package_w) / 1000;
    energy_[package].dram_j += (shape_.power.dram_static_w + power.dram_w) / 1000;
    for (std::size_t i = 0; i < who.size(); ++i) {
      processes_[who[i]].package_dynamic_j += power.of_package[i] / 1000;
      processes_[who[i]].dram_dynamic_j += power.of_dram[i] / 1000;
      const double bytes = power.of_dram[i] / 1000 * shape_.power.dram_bytes_per_j;
      processes_[who[i]].memory_bytes[package] += bytes;
      energy_[package].memory_bytes += bytes;
    }
  }
}

/// vCPUs that a process has a right to run on a package: one that may run anywhere counts in parts.
double Host::reserved(const Process& process, std::uint32_t package) const {
  double vcpus = 0;
  for (const auto index : process.threads) {
    const auto& spec = threads_[index].spec;
    if (!spec.comm.starts_with("CPU ")) continue;
    const auto here = std::count_if(spec.cpus.begin(), spec.cpus.end(), [&](std::uint32_t cpu) {
      return shape_.package_of(cpu) == package;
    });
    vcpus += spec.cpus.empty() ? 1.0 / shape_.packages
                               : static_cast<double>(here) / static_cast<double>(spec.cpus.size());
  }
  return vcpus;
}

void Host::share_idle() {
  for (std::uint32_t package = 0; package < shape_.packages; ++package) {
    double owned = 0;
    for (const auto& process : processes_)
      if (process.alive && process.vcpus > 0) owned += reserved(process, package);
    const double whole = std::max<double>(owned, shape_.cores * shape_.siblings);
    for (auto& process : processes_) {
      if (!process.alive || process.vcpus == 0) continue;
      const double share = reserved(process, package) / whole / 1000;
      process.package_idle_j += shape_.power.static_w * share;
      process.dram_idle_j += shape_.power.dram_static_w * share;
    }
  }
}

void Host::tick_cpus() {
  for (std::uint32_t cpu = 0; cpu < shape_.cpus(); ++cpu) {
    if (on_cpu_[cpu] < 0) continue;
    auto& thread = threads_[static_cast<std::size_t>(on_cpu_[cpu])];
    ++thread.run_ms;
    ++thread.slice_ms;
    ++thread.virtual_ms;
    --thread.left_ms;
    // Ticks are spread over the CPUs (skew_tick), each samples who runs.
    if ((now_ms_ + cpu) % kernel_tick_ms != 0) continue;
    busy_ms_[cpu] += kernel_tick_ms;
    thread.shown_ms = thread.run_ms;
  }
}

void Host::step() {
  schedule();
  draw_power();
  share_idle();
  ++now_ms_;
  tick_cpus();
}

}  // namespace vpowercap::sim
