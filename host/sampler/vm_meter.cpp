// SPDX-License-Identifier: Apache-2.0
// Differences of work between ticks.
#include "host/sampler/vm_meter.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/units/apportion.hpp"

namespace vpowercap {
namespace {

constexpr unsigned longest_wait = 15;

std::uint64_t clock_tick_ns() {
  static const auto ns = static_cast<std::uint64_t>(1'000'000'000 / ::sysconf(_SC_CLK_TCK));
  return ns;
}

std::uint64_t beyond(std::uint64_t whole, std::uint64_t part) {
  return whole > part ? whole - part : 0;
}

}  // namespace

VmMeter::VmMeter(MeterRoots roots, VmDescription vm, VmProcess process)
    : roots_(std::move(roots)),
      vm_(std::move(vm)),
      process_(std::move(process)),
      places_(roots_.proc + "/" + std::to_string(vm_.pid) + "/task") {}

Result<VmMeter> VmMeter::open(const MeterRoots& roots, const VmDescription& vm,
                              std::optional<WorkMark> mark, const Span& span) {
  auto process = VmProcess::open(roots.proc, vm.pid, vm.pid_start_ticks);
  if (!process) return tl::unexpected(process.error());
  VmMeter meter(roots, vm, std::move(*process));
  const auto total = meter.process_.total_ns();
  const auto threads = meter.read();
  if (!threads) return tl::unexpected(threads.error());
  if (total) meter.unseen_ns_ = beyond(*total, meter.seen_ns_);
  meter.place(*threads, span);
  meter.start(mark, span, *threads);
  return meter;
}

/// Time since the process's start (proc(5), field 22, in clock ticks since boot).
Nanoseconds VmMeter::lived(const Span& span) const {
  const Nanoseconds start(static_cast<std::int64_t>(vm_.pid_start_ticks * clock_tick_ns()));
  return std::max(span.since_boot - start, Nanoseconds(0));
}

void VmMeter::start(std::optional<WorkMark> mark, const Span& span, const Threads& threads) {
  const bool is_resumed = mark && mark->source == source_;
  // Start times are rounded down to clock ticks.
  const bool is_born =
      lived(span) <= span.length + Nanoseconds(static_cast<std::int64_t>(clock_tick_ns()));
  opened_rest_ns_ = rest_ns_;
  charged_ns_ = is_resumed ? mark->ns : is_born ? 0 : sum_ns();
  is_catching_up_ = is_resumed;
  for (const auto& piece : threads.counted)
    last_[key(piece)] = {piece.thread, is_born ? 0 : piece.thread.run_ns, piece.thread.run_ns};
  const auto since_boot = static_cast<std::uint64_t>(std::max(span.since_boot, Nanoseconds(0)).count());
  opened_ticks_ = since_boot / clock_tick_ns();
  counts_helpers_from_birth_ = is_resumed || is_born;
  counts_from_now_ = !is_resumed && !is_born;
  is_found_late_ = counts_from_now_ && span.length > Nanoseconds(0);  // else nobody counted before
}

std::uint64_t VmMeter::uncharged_ns() const { return beyond(sum_ns(), charged_ns_); }

void VmMeter::find_group() {
  if (group_ || until_search_-- > 0) return;
  wait_ = std::min(2 * wait_ + 1, longest_wait);
  until_search_ = wait_;
  auto group = VmCgroup::open(roots_.proc, roots_.sysfs, vm_.pid);
  if (group) {
    group_ = std::move(*group);
  } else if (group.error().code != ENOENT && group.error().code != ESRCH) {  // else there is none
    group_trouble_ = group.error();
    until_search_ = wait_ = 0;
  }
}

std::optional<std::uint64_t> VmMeter::read_whole() {
  find_group();
  if (group_) {
    const auto usage = group_->usage_ns();
    if (usage) return *usage;
    group_trouble_ = usage.error();
    if (usage.error().code != ENODEV) return std::nullopt;  // its work comes with a later reading
    group_.reset();                                         // it was removed
  }
  const auto total = process_.total_ns();
  return total ? std::optional(*total) : std::nullopt;
}

void VmMeter::settle_rest(std::optional<std::uint64_t> whole_ns) {
  if (!whole_ns) return;
  const auto rest = beyond(*whole_ns, seen_ns_);
  const auto source = group_ ? WorkSource::cgroup : WorkSource::processes;
  if (source_ != source) {  // another counter of the whole: from here on
    charged_ns_ = beyond(charged_ns_ + rest, rest_ns_);
    rest_ns_ = rest;
    source_ = source;
  }
  rest_ns_ = std::max(rest_ns_, rest);
}

Result<VmMeter::Threads> VmMeter::read() {
  const auto whole = read_whole();
  const auto own = process_.sample();
  if (!own) return tl::unexpected(own.error());
  Threads threads;
  seen_ns_ = process_.ended_ns();
  for (const auto& thread : *own) {
    seen_ns_ += thread.run_ns;
    threads.counted.push_back({vm_.pid, thread});
  }
  // What a thread did that could not be read would be taken for rest, and count again with the thread.
  if (!process_.is_cut()) settle_rest(whole);
  auto helpers = helpers_.sample(group_ ? &*group_ : nullptr);
  outside_ns_ = helpers.outside_ns;
  has_cut_helper_ = helpers.is_cut;
  for (auto& piece : helpers.outside) threads.counted.push_back(piece);
  threads.inside = std::move(helpers.inside);
  return threads;
}

VmSample VmMeter::begin(const Span& span) const {
  VmSample sample;
  sample.tick.uuid = vm_.uuid;
  sample.tick.alive = std::clamp(lived(span), Nanoseconds(0), std::max(span.length, Nanoseconds(0)));
  sample.tick.work_mark_ns = sum_ns();
  sample.tick.work_source = source_;
  sample.tick.reserved = reserved_;
  return sample;
}

void VmMeter::place(const Threads& threads, const Span& span) {
  if (span.cpus == nullptr) return;
  std::vector<ThreadWork> own;
  for (const auto& piece : threads.counted)
    if (piece.pid == vm_.pid) own.push_back(piece.thread);
  reserved_ = places_.reserved(own, vm_.topology, *span.cpus, span.since_boot);
}

void VmMeter::add(VmSample& sample, const ThreadWork& thread, std::uint32_t cpu_before,
                  std::uint64_t work_ns) const {
  if (work_ns == 0) return;
  const auto before_ns = cpu_before == thread.cpu ? 0 : work_ns / 2;
  for (const auto& [cpu, ns] : {std::pair{cpu_before, before_ns}, {thread.cpu, work_ns - before_ns}}) {
    if (ns == 0) continue;
    auto& work = sample.by_cpu[cpu];
    work.total_ns += ns;
    work.socket_ns.resize(std::max(1u, vm_.topology.sockets), 0);
    if (thread.vcpu) work.socket_ns[vm_.topology.socket_of(*thread.vcpu)] += ns;
  }
}

/// What threads did before this meter was opened, of which it could not read them then.
void VmMeter::pass_over_old_work(const Threads& threads) {
  if (!counts_from_now_) return;
  for (const auto& piece : threads.counted) {
    if (piece.pid != vm_.pid || piece.thread.start_ticks >= opened_ticks_ || last_.contains(key(piece)))
      continue;
    charged_ns_ += piece.thread.run_ns;
    last_[key(piece)] = {piece.thread, piece.thread.run_ns, 0};
  }
}

void VmMeter::charge(VmSample& sample, const Threads& threads) {
  pass_over_old_work(threads);
  auto left = uncharged_ns();
  LastOf now;
  for (const auto* pieces : {&threads.counted, &threads.inside})
    for (const auto& piece : *pieces) {
      const auto last = last_.find(key(piece));
      const bool is_new = last == last_.end();
      const auto work = beyond(piece.thread.run_ns, is_new ? 0 : last->second.charged_ns);
      now[key(piece)] = {piece.thread, piece.thread.run_ns, work};
      if (pieces == &threads.inside) continue;
      const auto part = std::min(work, left);
      add(sample, piece.thread, is_new ? piece.thread.cpu : last->second.thread.cpu, part);
      left -= part;
    }
  last_ = std::move(now);
  charge_rest(sample, left, threads);
  charged_ns_ = std::max(charged_ns_, sum_ns());
}

void VmMeter::charge_rest(VmSample& sample, std::uint64_t rest_ns, const Threads& threads) const {
  if (rest_ns == 0 || threads.counted.empty()) return;
  for (const auto* pieces : {&threads.inside, &threads.counted}) {
    std::vector<std::uint64_t> weights;
    std::uint64_t sum = 0;
    for (const auto& piece : *pieces) sum += weights.emplace_back(last_.at(key(piece)).recent_ns);
    if (sum == 0) continue;
    const auto parts = apportion(rest_ns, weights);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      ThreadWork helper{.cpu = (*pieces)[i].thread.cpu};
      add(sample, helper, helper.cpu, parts[i]);
    }
    return;
  }
  add(sample, {.cpu = threads.counted.front().thread.cpu}, threads.counted.front().thread.cpu, rest_ns);
}

void VmMeter::charge_as_before(VmSample& sample, std::uint64_t work_ns) const {
  std::vector<std::uint64_t> recent;
  std::vector<std::uint64_t> ever;
  bool was_active = false;
  for (const auto& [id, last] : last_) {
    recent.push_back(last.recent_ns);
    ever.push_back(last.thread.run_ns);
    was_active = was_active || last.recent_ns > 0;
  }
  if (recent.empty()) return;
  const auto parts = apportion(work_ns, was_active ? recent : ever);
  std::size_t i = 0;
  for (const auto& [id, last] : last_) add(sample, last.thread, last.thread.cpu, parts[i++]);
}

VmSample VmMeter::measure(const Span& span) {
  if (span.has_exit) return finish(span);
  const auto threads = read();
  if (!threads && threads.error().code == ESRCH) return finish(span);
  if (threads) place(*threads, span);
  auto sample = begin(span);
  if (!threads) {
    sample.tick.gap = true;
    sample.problem = threads.error();
    return sample;
  }
  if (is_catching_up_) {
    charge_as_before(sample, uncharged_ns());
    // A mark may be ahead, of threads that have ended; not so while some are missing.
    charged_ns_ = process_.is_cut() ? std::max(charged_ns_, sum_ns()) : sum_ns();
  }
  const auto trouble = std::exchange(group_trouble_, std::nullopt);
  if (trouble) problems_.push_back(*trouble);
  sample.tick.gap = std::exchange(is_found_late_, false) || has_cut_helper_ || trouble;
  is_catching_up_ = is_catching_up_ && process_.is_cut();
  charge(sample, *threads);
  return sample;
}

/// Brings the rest to where the counters stand that outlive the process. False: not all could be read.
bool VmMeter::read_last_rest() {
  const auto usage = group_ ? group_->usage_ns() : fail(ENOENT, "no group");
  if (usage) {
    rest_ns_ = std::max(rest_ns_, beyond(*usage, seen_ns_));
    return true;
  }
  const bool is_group_cut = group_ && usage.error().code != ENODEV;  // it is there and has more
  const auto total = process_.total_ns();
  if (!total) return false;
  const auto unseen = beyond(*total, seen_ns_);
  if (source_ == WorkSource::processes) rest_ns_ = std::max(rest_ns_, unseen);
  else rest_ns_ += beyond(unseen, unseen_ns_ + (rest_ns_ - opened_rest_ns_));
  return !is_group_cut;
}

VmSample VmMeter::finish(const Span& span) {
  const bool is_known = read_last_rest();
  const auto helpers = helpers_.sample(group_ ? &*group_ : nullptr);
  outside_ns_ = helpers.outside_ns;
  auto sample = begin(span);
  sample.has_ended = true;
  sample.tick.gap = is_found_late_ || !is_known || helpers.is_cut;
  if (!span.has_exit) sample.tick.alive /= 2;
  charge_as_before(sample, uncharged_ns());
  charged_ns_ = std::max(charged_ns_, sum_ns());
  return sample;
}

bool VmMeter::adopt(const std::vector<ProcessId>& helpers, bool are_all) {
  const auto counts_after = counts_helpers_from_birth_ ? 0 : opened_ticks_;
  const auto old = helpers_.adopt(roots_.proc, helpers, counts_after, group_ ? &*group_ : nullptr);
  counts_helpers_from_birth_ = counts_helpers_from_birth_ && !(are_all && old.is_whole);
  charged_ns_ += old.outside_ns;
  for (const auto& piece : old.threads) last_[key(piece)] = {piece.thread, piece.thread.run_ns, 0};
  return old.is_whole;
}

VmThreads VmMeter::threads() const {
  VmThreads threads;
  for (const auto& [id, last] : last_) {
    threads.all.insert(last.thread.tid);
    if (id.first == vm_.pid && last.thread.vcpu) threads.vcpus.insert(last.thread.tid);
  }
  return threads;
}

std::vector<Error> VmMeter::take_problems() {
  auto problems = process_.take_problems();
  for (auto& problem : std::exchange(problems_, {})) problems.push_back(std::move(problem));
  for (auto& problem : helpers_.take_problems()) problems.push_back(std::move(problem));
  for (auto& problem : places_.take_problems()) problems.push_back(std::move(problem));
  return problems;
}

}  // namespace vpowercap
