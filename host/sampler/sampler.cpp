// SPDX-License-Identifier: Apache-2.0
// The tick.
#include "host/sampler/sampler.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "common/units/wide.hpp"
#include "host/sampler/vm_book.hpp"

namespace vpowercap {
namespace {

PackageWork weighed_all(const PackageWork& work, std::uint32_t cpu, const CpuWeights& weights) {
  PackageWork counted{weighed(work.total_ns, cpu, weights), {}};
  for (const auto ns : work.socket_ns) counted.socket_ns.push_back(weighed(ns, cpu, weights));
  return counted;
}

/// Busy time since an earlier writer's last tick, which it noted by package: `marks` are since the
/// machine's start. What a package was busy counts on its dies as their whole past does.
std::map<ZoneScope, std::uint64_t> busy_since(const HostRecord& earlier,
                                              const std::map<ZoneScope, std::uint64_t>& marks) {
  std::map<ZoneScope, std::uint64_t> busy;
  for (const auto& [scope, ns] : marks) {
    if (scope.package >= max_host_packages) continue;
    const auto all = marks.at(scope.package);
    const auto mark = earlier.busy_mark_ns[scope.package];
    const auto of_package = all > mark ? all - mark : 0;
    busy[scope] = all == 0 ? 0 : static_cast<std::uint64_t>(Wide(of_package) * ns / all);
  }
  return busy;
}

}  // namespace

Sampler::Sampler(SamplerOptions options, std::unique_ptr<EnergySource> source, LedgerWriter ledger,
                 Problems problems)
    : options_(std::move(options)),
      source_(std::move(source)),
      ledger_(std::move(ledger)),
      problems_(std::move(problems)),
      account_(with_tick(options_.account)),
      meters_({options_.proc_root, options_.sysfs_root}, options_.libvirt_pid_dir, problems_),
      traffic_(options_.sysfs_root),
      weights_(options_.account.weights),
      awaited_(options_.awaited_dir) {
  account_.restore_idle(options_.idle);
  const auto vms = ledger_.took_over() ? ledger_.vms() : std::vector<VmRecord>();
  if (const auto host = ledger_.took_over() ? ledger_.host() : std::nullopt) {
    account_.resume(*host, vms, source_->method());
    last_tick_ = Nanoseconds(static_cast<std::int64_t>(host->sampled_ns));
  }
  refresh_cpus();  // after the ledger's: CPUs and packages are those of now
  for (const auto& vm : vms) {
    if (vm.state != VmState::running || vm.pid == 0) continue;
    VmDescription known{.uuid = vm.uuid,
                        .name = std::string(vm.name.view()),
                        .pid = vm.pid,
                        .pid_start_ticks = vm.pid_start_ticks};
    known.topology = {vm.vcpus, vm.guest_sockets, vm.owned_vcpus,
                      vm.topology == TopologyView::guest ? vm.sockets : 0};
    known.settings = settings_of(vm);
    account_.admit(known, last_tick_);
    resumed_.push_back({std::move(known), {vm.work_mark_ns, vm.work_source}});
  }
}

AccountOptions Sampler::with_tick(AccountOptions options) const {
  options.tick = options_.tick;
  return options;
}

void Sampler::set_vms(std::vector<VmDescription> vms) {
  const std::lock_guard lock(mutex_);
  news_ = std::move(vms);
  meters_.poke();
}

void Sampler::expect(VmDescription vm) {
  const std::lock_guard lock(mutex_);
  if (expected_.size() < max_vms) expected_.push_back(std::move(vm));
  meters_.poke();
}

Result<void> Sampler::take_over(HandOver state, Nanoseconds now) {
  auto awaited = awaited_.add(std::move(state), now);
  if (awaited) meters_.poke();
  return awaited;
}

void Sampler::set_account_options(const AccountOptions& options) {
  const std::lock_guard lock(mutex_);
  new_options_ = with_tick(options);
}

Span Sampler::span_to(Nanoseconds now, Nanoseconds since_boot) const {
  return {last_tick_ == Nanoseconds(0) ? Nanoseconds(0) : now - last_tick_, since_boot, false, &cpus_};
}

void Sampler::follow(const VmDescription& vm, Nanoseconds now, const Span& span) {
  const auto followed = meters_.follow(vm, std::nullopt, span);
  if (followed) {
    account_.admit(vm, now);
  } else if (!meters_.has_last_work(
                 vm.uuid)) {  // else it has just ended, its last work is to be booked
    problems_(followed.error());
    account_.stop(vm.uuid, now);
  }
}

void Sampler::hand_over(Nanoseconds now) {
  awaited_.apply_all(now, [this](const HandOver& state) { return account_.take_over(state); });
  for (const auto& problem : awaited_.take_problems()) problems_(problem);
}

void Sampler::take_news(Nanoseconds now, const Span& span) {
  // Their work since is counted from the mark on; one whose process is gone has stopped.
  for (const auto& [vm, mark] : std::exchange(resumed_, {}))
    if (!meters_.follow(vm, mark, span)) account_.stop(vm.uuid, now);
  std::optional<std::vector<VmDescription>> news;
  std::vector<VmDescription> expected;
  {
    const std::lock_guard lock(mutex_);
    news = std::exchange(news_, std::nullopt);
    expected = std::exchange(expected_, {});
    if (new_options_) weights_ = new_options_->weights;
    if (new_options_) account_.set_options(*std::exchange(new_options_, std::nullopt));
  }
  for (const auto& vm : expected)
    if (!meters_.follows(vm.uuid)) account_.admit(vm, now);
  if (!news) return;
  std::set<Uuid> listed;
  for (const auto& vm : *news) {
    listed.insert(vm.uuid);
    // One that has stopped stays so until it has a process again: the list may be older than its end.
    const auto known = account_.vms().find(vm.uuid);
    const bool has_stopped = known != account_.vms().end() && known->second.state == VmState::stopped;
    if (vm.pid != 0) follow(vm, now, span);
    else if (!meters_.follows(vm.uuid) && !has_stopped) account_.admit(vm, now);  // it is yet to come
  }
  for (const auto& uuid : meters_.all())
    if (!listed.contains(uuid)) meters_.leave(uuid, span);
  meters_.find_new_helpers();
}

void Sampler::refresh_cpus() {
  auto cpus = read_cpu_map(options_.sysfs_root);
  if (!cpus) {
    problems_(cpus.error());
    return;
  }
  cpus_ = std::move(*cpus);
  std::set<std::uint32_t> packages;
  for (const auto& [cpu, package] : cpus_.package_of) packages.insert(package);
  account_.describe_host(source_->method(), static_cast<std::uint32_t>(cpus_.package_of.size()),
                         {packages.begin(), packages.end()}, count_cpus(cpus_));
}

CpuWeights Sampler::measure_busy(Tick& tick, const Span& span) {
  const auto now = read_cpu_busy_ns(options_.proc_root);
  if (!now) {
    problems_(now.error());
    return {};
  }
  const bool same_cpus =
      std::equal(now->begin(), now->end(), cpus_.package_of.begin(), cpus_.package_of.end(),
                 [](const auto& a, const auto& b) { return a.first == b.first; });
  if (!same_cpus) refresh_cpus();
  CpuBusy busy;
  std::map<ZoneScope, std::uint64_t> marks;
  for (const auto& [cpu, ns] : *now) {
    for (const auto& scope : scopes_of(cpus_, cpu)) marks[scope] += ns;
    const auto last = last_busy_ns_.find(cpu);
    if (last != last_busy_ns_.end()) busy[cpu] = ns > last->second ? ns - last->second : 0;
  }
  auto weights = cpu_weights(weights_, busy, cpus_.siblings, span.length);
  for (const auto& [cpu, ns] : busy)
    for (const auto& scope : scopes_of(cpus_, cpu)) tick.busy_ns[scope] += weighed(ns, cpu, weights);
  for (const auto& [scope, ns] : marks)
    if (scope.is_package()) tick.busy_mark_ns[scope.package] = ns;
  const bool took_over = last_busy_ns_.empty() && account_.host().tick > 0;
  if (took_over) tick.busy_ns = busy_since(account_.host(), marks);
  last_busy_ns_ = *now;
  return weights;
}

/// Puts the VMs' work into the tick, by scope. Returns who has ended in it.
std::vector<Uuid> Sampler::add_work(Tick& tick, std::vector<VmSample> samples,
                                    const CpuWeights& weights) {
  std::vector<Uuid> ended;
  for (auto& sample : samples) {
    auto& vm = sample.tick;
    for (const auto& [cpu, work] : sample.by_cpu) {
      const auto counted = weighed_all(work, cpu, weights);
      vm.weighed_off_ns += work.total_ns - counted.total_ns;
      for (const auto& scope : scopes_of(cpus_, cpu)) vm.work[scope] += counted;
    }
    if (sample.has_ended) ended.push_back(vm.uuid);
    tick.vms.push_back(std::move(vm));
  }
  return ended;
}

/// Puts memory traffic into the tick, where there is a zone that goes by it.
void Sampler::add_traffic(Tick& tick) {
  const bool has_dram = std::any_of(tick.zones.begin(), tick.zones.end(), [](const ZoneReading& zone) {
    return zone.domain == EnergyDomain::dram && !zone.is_host_only;
  });
  if (!has_dram) return;
  auto traffic = traffic_.measure(cpus_, [this] { return meters_.threads(); }, tick.now);
  for (const auto& problem : traffic_.take_problems()) problems_(problem);
  if (!traffic) return;
  tick.traffic = std::move(traffic->all);
  for (auto& vm : tick.vms)
    if (const auto counted = traffic->of_vms.find(vm.uuid); counted != traffic->of_vms.end())
      vm.traffic = std::move(counted->second);
}

void Sampler::attend(Nanoseconds now, Nanoseconds since_boot) {
  const auto span = span_to(now, since_boot);
  meters_.attend(span);
  take_news(now, span);
  hand_over(now);
}

void Sampler::tick(Nanoseconds now, Nanoseconds since_boot) {
  const auto span = span_to(now, since_boot);
  meters_.attend(span);
  take_news(now, span);
  hand_over(now);
  Tick tick{.now = now, .boot_offset = since_boot - now};
  auto samples = meters_.measure(span);
  const auto weights = measure_busy(tick, span);
  const auto ended = add_work(tick, std::move(samples), weights);
  tick.zones = source_->sample();
  for (const auto& problem : source_->take_problems()) problems_(problem);
  add_traffic(tick);
  for (const auto& problem : book(tick)) problems_(problem);
  for (const auto& uuid : ended)  // unless it is about to start again
    if (account_.vms().at(uuid).state == VmState::running) account_.stop(uuid, now);
  last_tick_ = now;
  write_ledger(now);
}

std::vector<Error> Sampler::book(const Tick& tick) {
  const std::lock_guard lock(mutex_);
  return account_.book(tick);
}

IdleLearner::Memory Sampler::idle_memory() {
  const std::lock_guard lock(mutex_);
  return account_.idle_memory();
}

/// In one change: energy that VMs got must not be in the ledger without its being taken from the zones.
void Sampler::write_ledger(Nanoseconds now) {
  ledger_.begin_change();
  for (const auto& uuid : account_.take_expired(now)) ledger_.drop_vm(uuid);
  for (const auto& [uuid, record] : account_.vms())
    if (auto stored = ledger_.store_vm(record); !stored) problems_(stored.error());
  ledger_.store_host(account_.host());
  ledger_.commit_change();
  ledger_.beat(now);
  awaited_.forget_applied();
}

}  // namespace vpowercap
