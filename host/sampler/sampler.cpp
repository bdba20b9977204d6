// SPDX-License-Identifier: Apache-2.0
// The tick.
#include "host/sampler/sampler.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace vpowercap {

Sampler::Sampler(SamplerOptions options, std::unique_ptr<EnergySource> source, LedgerWriter ledger,
                 Problems problems)
    : options_(std::move(options)),
      source_(std::move(source)),
      ledger_(std::move(ledger)),
      problems_(std::move(problems)),
      account_(with_tick(options_.account)) {
  account_.restore_idle(options_.idle);
  refresh_cpus();
  if (!ledger_.took_over()) return;
  const auto host = ledger_.host();
  const auto vms = ledger_.vms();
  if (host) {
    account_.resume(*host, vms, source_->method());
    last_tick_ = Nanoseconds(static_cast<std::int64_t>(host->sampled_ns));
  }
  for (const auto& vm : vms) {
    if (vm.state != VmState::running || vm.pid == 0) continue;
    marks_[vm.uuid] = vm.work_mark_ns;
    VmDescription known{.uuid = vm.uuid,
                        .name = std::string(vm.name.view()),
                        .pid = vm.pid,
                        .pid_start_ticks = vm.pid_start_ticks};
    known.topology = {vm.vcpus, vm.guest_sockets, vm.owned_vcpus};
    known.settings = {vm.grid_ns, vm.quantum_uj, vm.max_energy_range_uj, vm.energy_mode, vm.topology};
    follow(known, last_tick_);
  }
}

AccountOptions Sampler::with_tick(AccountOptions options) const {
  options.tick = options_.tick;
  return options;
}

void Sampler::set_vms(std::vector<VmDescription> vms) {
  const std::lock_guard lock(mutex_);
  news_ = std::move(vms);
}

void Sampler::expect(VmDescription vm) {
  const std::lock_guard lock(mutex_);
  if (expected_.size() < max_vms) expected_.push_back(std::move(vm));
}

void Sampler::set_account_options(const AccountOptions& options) {
  const std::lock_guard lock(mutex_);
  new_options_ = with_tick(options);
}

void Sampler::follow(const VmDescription& vm, Nanoseconds now) {
  const auto known = meters_.find(vm.uuid);
  if (known != meters_.end() && known->second.vm().pid == vm.pid &&
      known->second.vm().pid_start_ticks == vm.pid_start_ticks) {
    known->second.describe(vm);
    account_.admit(vm, now);
    return;
  }
  if (known != meters_.end()) meters_.erase(known);
  auto meter = VmMeter::open(options_.proc_root, vm);
  if (!meter) {
    problems_(meter.error());
    account_.stop(vm.uuid, now);
    return;
  }
  account_.admit(vm, now);
  meters_.emplace(vm.uuid, std::move(*meter));
}

void Sampler::take_news(Nanoseconds now) {
  std::optional<std::vector<VmDescription>> news;
  std::vector<VmDescription> expected;
  {
    const std::lock_guard lock(mutex_);
    news = std::exchange(news_, std::nullopt);
    expected = std::exchange(expected_, {});
    if (new_options_) account_.set_options(*std::exchange(new_options_, std::nullopt));
  }
  for (const auto& vm : expected)
    if (!meters_.contains(vm.uuid)) account_.admit(vm, now);
  if (!news) return;
  std::set<Uuid> listed;
  for (const auto& vm : *news) {
    listed.insert(vm.uuid);
    if (vm.pid != 0) follow(vm, now);
    else if (!meters_.contains(vm.uuid)) account_.admit(vm, now);  // its process is yet to come
  }
  std::erase_if(meters_, [&](const auto& entry) {
    if (listed.contains(entry.first)) return false;
    account_.stop(entry.first, now);
    return true;
  });
}

void Sampler::refresh_cpus() {
  auto cpus = read_cpu_map(options_.sysfs_root);
  if (!cpus) {
    problems_(cpus.error());
    return;
  }
  cpus_ = std::move(*cpus);
  std::set<std::uint32_t> packages;
  std::map<std::uint32_t, std::uint32_t> cpus_in;
  for (const auto& [cpu, package] : cpus_.package_of) {
    packages.insert(package);
    ++cpus_in[package];
  }
  account_.describe_host(source_->method(), static_cast<std::uint32_t>(cpus_.package_of.size()),
                         {packages.begin(), packages.end()}, cpus_in);
}

void Sampler::measure_busy(Tick& tick) {
  const auto now = read_cpu_busy_ns(options_.proc_root);
  if (!now) {
    problems_(now.error());
    return;
  }
  const bool same_cpus =
      std::equal(now->begin(), now->end(), cpus_.package_of.begin(), cpus_.package_of.end(),
                 [](const auto& a, const auto& b) { return a.first == b.first; });
  if (!same_cpus) refresh_cpus();
  for (const auto& [cpu, ns] : *now) {
    const auto package = cpus_.package(cpu);
    tick.busy_mark_ns[package] += ns;
    const auto last = last_busy_ns_.find(cpu);
    if (last != last_busy_ns_.end()) tick.busy_ns[package] += ns > last->second ? ns - last->second : 0;
  }
  const bool took_over = last_busy_ns_.empty() && account_.host().tick > 0;
  if (took_over)
    for (const auto& [package, ns] : tick.busy_mark_ns) {
      const auto mark = package < max_host_packages ? account_.host().busy_mark_ns[package] : ns;
      tick.busy_ns[package] = ns > mark ? ns - mark : 0;
    }
  last_busy_ns_ = *now;
}

std::vector<VmTick> Sampler::measure_vms(Nanoseconds now, Nanoseconds since_boot) {
  std::vector<VmTick> ticks;
  const auto interval = last_tick_ == Nanoseconds(0) ? Nanoseconds(0) : now - last_tick_;
  for (auto entry = meters_.begin(); entry != meters_.end();) {
    std::optional<std::uint64_t> mark;
    if (const auto found = marks_.find(entry->first); found != marks_.end()) {
      mark = found->second;
      marks_.erase(found);
    }
    auto tick = entry->second.measure(interval, since_boot, mark, cpus_);
    for (const auto& problem : entry->second.take_problems()) problems_(problem);
    if (tick) {
      ticks.push_back(std::move(*tick));
      ++entry;
    } else {
      if (tick.error().code != ESRCH) problems_(tick.error());
      account_.stop(entry->first, now);
      entry = meters_.erase(entry);
    }
  }
  return ticks;
}

void Sampler::tick(Nanoseconds now, Nanoseconds since_boot) {
  take_news(now);
  Tick tick{.now = now, .boot_offset = since_boot - now};
  tick.vms = measure_vms(now, since_boot);
  measure_busy(tick);
  tick.zones = source_->sample();
  for (const auto& problem : source_->take_problems()) problems_(problem);
  for (const auto& problem : book(tick)) problems_(problem);
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

void Sampler::write_ledger(Nanoseconds now) {
  for (const auto& uuid : account_.take_expired(now)) ledger_.drop_vm(uuid);
  for (const auto& [uuid, record] : account_.vms())
    if (auto stored = ledger_.store_vm(record); !stored) problems_(stored.error());
  ledger_.store_host(account_.host());
  ledger_.beat(now);
}

}  // namespace vpowercap
