// SPDX-License-Identifier: Apache-2.0
// What a sample of a process's threads costs, against the floor: the bare system calls it cannot do
// without.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "common/base/file.hpp"
#include "common/procs/vm_process.hpp"

namespace vpowercap {
namespace {

/// Threads that sleep, as most of a VM's do most of the time, and run for a moment when told.
class Sleepers {
 public:
  explicit Sleepers(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
      threads_.emplace_back([this] {
        for (int seen = 0; seen >= 0; ran_++) {
          call_.wait(seen);
          seen = call_;
        }
      });
  }
  ~Sleepers() {
    call_ = -1;
    call_.notify_all();
    for (auto& thread : threads_) thread.join();
  }
  Sleepers(const Sleepers&) = delete;
  Sleepers& operator=(const Sleepers&) = delete;

  /// Lets every thread run once.
  void run_all() {
    ran_ = 0;
    ++call_;
    call_.notify_all();
    while (ran_ < threads_.size()) std::this_thread::yield();
  }

 private:
  std::atomic<int> call_{0};
  std::atomic<std::size_t> ran_{0};
  std::vector<std::thread> threads_;
};

VmProcess open_self() {
  const auto ticks = process_start_ticks("/proc", ::getpid());
  if (!ticks) throw std::runtime_error(ticks.error().message);
  auto process = VmProcess::open("/proc", ::getpid(), *ticks);
  if (!process) throw std::runtime_error(process.error().message);
  return std::move(*process);
}

void per_thread(benchmark::State& state, std::size_t threads) {
  state.counters["per_thread"] =
      benchmark::Counter(static_cast<double>(threads),
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void sample_of(benchmark::State& state, bool all_ran) {
  Sleepers sleepers(state.range(0));
  auto process = open_self();
  std::size_t threads = 0;
  for (auto _ : state) {
    if (all_ran) {
      state.PauseTiming();
      sleepers.run_all();
      state.ResumeTiming();
    }
    const auto work = process.sample();
    if (!work) throw std::runtime_error(work.error().message);
    threads = work->size();
  }
  per_thread(state, threads);
}

void sample_sleeping(benchmark::State& state) { sample_of(state, false); }
void sample_all_ran(benchmark::State& state) { sample_of(state, true); }

/// One pread per kept descriptor of `files` of each thread, nothing parsed.
void floor_of(benchmark::State& state, const std::vector<std::string>& files) {
  const Sleepers sleepers(state.range(0));
  auto process = open_self();
  const auto work = process.sample();
  if (!work) throw std::runtime_error(work.error().message);
  std::vector<UniqueFd> kept;
  for (const auto& thread : *work)
    for (const auto& file : files) {
      auto fd =
          open_at(AT_FDCWD, "/proc/self/task/" + std::to_string(thread.tid) + "/" + file, O_RDONLY);
      if (!fd) throw std::runtime_error(fd.error().message);
      kept.push_back(std::move(*fd));
    }
  char buffer[2048];
  for (auto _ : state)
    for (const auto& fd : kept) benchmark::DoNotOptimize(::pread(fd.get(), buffer, sizeof buffer, 0));
  per_thread(state, work->size());
}

void floor_schedstat(benchmark::State& state) { floor_of(state, {"schedstat"}); }
void floor_schedstat_and_stat(benchmark::State& state) { floor_of(state, {"schedstat", "stat"}); }

BENCHMARK(sample_sleeping)->Arg(8)->Arg(64);
BENCHMARK(sample_all_ran)->Arg(8)->Arg(64);
BENCHMARK(floor_schedstat)->Arg(8)->Arg(64);
BENCHMARK(floor_schedstat_and_stat)->Arg(8)->Arg(64);

}  // namespace
}  // namespace vpowercap

BENCHMARK_MAIN();
