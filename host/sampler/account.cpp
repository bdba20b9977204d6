// SPDX-License-Identifier: Apache-2.0
// Booking of ticks: deltas of the zones, their division, power and published values.
#include "host/sampler/account.hpp"

#include <algorithm>
#include <numeric>

#include "host/rapl/power_bound.hpp"
#include "host/sampler/vm_book.hpp"

namespace vpowercap {
namespace {

std::uint64_t ns(Nanoseconds time) { return static_cast<std::uint64_t>(time.count()); }

Nanoseconds time_of(std::uint64_t ns) { return Nanoseconds(static_cast<std::int64_t>(ns)); }

/// Suspends last longer; clocks that are not read at the same instant differ by less.
constexpr Nanoseconds shortest_suspend = std::chrono::milliseconds(100);

/// vCPUs that the VM was seen to have; 0 when that is not known.
std::uint32_t owned_vcpus(const VmTick& vm) {
  std::uint64_t milli = 0;
  for (const auto& [scope, sockets] : vm.reserved)
    if (scope.is_package()) milli += std::accumulate(sockets.begin(), sockets.end(), std::uint64_t{0});
  return static_cast<std::uint32_t>(milli / 1000);
}

}  // namespace

void Account::resume(const HostRecord& host, const std::vector<VmRecord>& vms, Method method) {
  host_ = host;
  for (const auto& vm : vms) vms_[vm.uuid] = vm;
  states_.assign(host_.zone_count, {});
  for (std::uint32_t i = 0; i < host_.zone_count; ++i) {
    auto& zone = host_.zones[i];
    zone.power_uw = zone.remainder_power_uw = 0;
    const bool goes_on = method == Method::rapl && host.method == Method::rapl && zone.taken_ns != 0;
    const auto gap_until = time_of(zone.gap_until_ns);
    const auto lost_since = zone.lost_since_ns != 0 ? zone.lost_since_ns
                            : zone.taken_ns != 0    ? zone.taken_ns
                                                    : host.sampled_ns;
    states_[i].counter = goes_on ? ZoneCounter(zone.raw_uj, time_of(zone.taken_ns), gap_until)
                                 : ZoneCounter::broken_off(time_of(lost_since), gap_until);
  }
  host_.method = method;
}

void Account::admit(const VmDescription& vm, Nanoseconds now) {
  const auto [entry, is_new] = vms_.try_emplace(vm.uuid);
  auto& record = entry->second;
  // A VM that starts again within a tick was not seen to stop: its time to come begins anew too.
  if (is_new || record.state == VmState::stopped || vm.state == VmState::starting)
    record.created_ns = ns(now);
  const auto sockets = record.sockets;
  describe_vm(record, vm, host_);
  if (record.sockets != sockets) paces_.erase(vm.uuid);  // energy may have moved between its zones
  publish_new_zones(record);
}

bool Account::take_over(const HandOver& state) {
  const auto found = vms_.find(state.uuid);
  if (found == vms_.end()) return false;
  go_on_from(found->second, state);
  return found->second.state == VmState::running;
}

void Account::stop(const Uuid& uuid, Nanoseconds now) {
  const auto found = vms_.find(uuid);
  if (found == vms_.end() || found->second.state == VmState::stopped) return;
  found->second.state = VmState::stopped;
  found->second.stopped_ns = ns(now);
  found->second.power_uw = 0;
  publish(found->second, now, true);
}

void Account::book_zone(const Tick& tick, const ZoneReading& reading, std::size_t index,
                        Nanoseconds suspended, std::vector<Error>& problems) {
  auto& zone = host_.zones[index];
  const auto scope = states_[index].scope = scope_of(reading);
  zone.id.assign(reading.id);
  zone.name.assign(reading.name);
  zone.max_energy_range_uj = reading.max_energy_range_uj;
  zone.is_host_only = reading.is_host_only || reading.domain == EnergyDomain::psys ? 1 : 0;
  const auto busy = tick.busy_ns.find(scope);
  ZoneLook look{reading.raw_uj, reading.raw_uj ? reading.taken : tick.now, reading.max_energy_range_uj};
  look.bound_uw = options_.max_zone_uw != 0     ? options_.max_zone_uw
                  : reading.power_bound_uw != 0 ? reading.power_bound_uw
                                                : power_bound(reading.domain, 0);
  look.tick = options_.tick;
  look.suspended = suspended;
  look.busy_ns = busy == tick.busy_ns.end() ? 0 : busy->second;
  // An uncore without a graphics load and a modelled host may truly draw nothing.
  look.always_draws =
      host_.method == Method::rapl && reading.domain != EnergyDomain::uncore && zone.is_host_only == 0;
  const auto step = states_[index].counter.look(look);
  if (!step.problem.empty()) problems.push_back({ERANGE, reading.id + ": " + step.problem, reading.id});
  book_step(tick, index, step);
}

void Account::book_step(const Tick& tick, std::size_t index, const ZoneStep& step) {
  auto& zone = host_.zones[index];
  auto& [counter, backlog, scope] = states_[index];
  book_gap(zone, step);
  zone.taken_ns = counter.base() ? ns(counter.base()->taken) : 0;
  if (counter.base()) zone.raw_uj = counter.base()->raw_uj;
  zone.lost_since_ns = counter.lost_since() ? ns(*counter.lost_since()) : 0;
  zone.gap_until_ns = counter.gap_until() ? ns(*counter.gap_until()) : 0;
  const Nanoseconds length = time_of(host_.interval_ns);
  if (step.energy && backlog.empty()) {
    const auto busy = tick.busy_ns.find(scope);
    const bool is_known = busy != tick.busy_ns.end();
    const auto traffic = tick.traffic.find(scope);
    divide({is_known ? busy->second : 0, length, tick.vms,
            traffic == tick.traffic.end() ? std::nullopt : std::optional(traffic->second),
            is_known && !step.is_across},
           index, step, tick.now);
  } else if (step.energy) {
    backlog.add(tick, scope, length);
    divide({backlog.busy_ns(), backlog.length(), backlog.vms(), backlog.traffic(), false}, index, step,
           tick.now);
  }
  if (step.is_pending && zone.is_host_only == 0) backlog.add(tick, scope, length);
  else backlog.clear();
}

void Account::book_gap(HostZoneRecord& zone, const ZoneStep& step) {
  zone.gaps += step.begins_gap ? 1 : 0;
  zone.gap_ns += ns(step.gap);
  zone.lost_ns += ns(step.lost);
  if (zone.is_host_only != 0) return;
  auto& most = tick_gaps_[static_cast<std::size_t>(zone.domain)];
  most.gaps = std::max<std::uint64_t>(most.gaps, step.begins_gap ? 1 : 0);
  most.gap_ns = std::max(most.gap_ns, ns(step.gap));
  most.lost_ns = std::max(most.lost_ns, ns(step.lost));
}

void Account::divide(const Loads& tick, std::size_t index, const ZoneStep& step, Nanoseconds now) {
  auto& zone = host_.zones[index];
  const auto scope = states_[index].scope;
  const auto domain = static_cast<std::size_t>(zone.domain);
  const auto delta = *step.energy;
  const auto interval = step.interval;
  zone.energy_uj += delta.count;
  if (step.is_across) zone.across_gap_uj += delta.count;
  zone.power_uw = mean_power_uw(delta, interval);
  if (zone.is_host_only != 0) {
    zone.remainder_uj += delta.count;
    zone.remainder_power_uw = zone.power_uw;
    return;
  }
  PackageLoad package{tick.busy_ns, milli_cpus(scope), tick.length};
  std::vector<VmLoad> loads;
  for (const auto& vm : tick.vms) loads.push_back(load_of(vm, scope));
  const auto basis = use_traffic(tick, index, package, loads);
  const ZoneEnergy energy{delta, idle_part(index, step, tick)};
  const auto shares = attribute(energy, package, loads, options_.policy);
  zone.idle_uj += energy.idle.count;
  auto remainder = shares.remainder.idle + shares.remainder.dynamic;
  const auto position = std::find(packages_.begin(), packages_.end(), zone.package);
  for (std::size_t i = 0; i < tick.vms.size(); ++i) {
    const auto share = shares.vms[i].idle + shares.vms[i].dynamic;
    const auto found = vms_.find(tick.vms[i].uuid);
    if (found == vms_.end()) {  // it ended and was forgotten before its energy came
      remainder += share;
      continue;
    }
    auto& record = found->second;
    const auto work = tick.vms[i].work.find(scope);
    static const std::vector<std::uint64_t> none;
    book_share(record, zone.domain, shares.vms[i],
               work == tick.vms[i].work.end() ? none : work->second.socket_ns,
               reserved(tick.vms[i], scope), static_cast<std::uint32_t>(position - packages_.begin()));
    record.basis[domain] = basis[i];
    auto& quality = record.quality[domain];
    if (step.is_across) quality.across_gap_uj += share.count;
    quality.sampled_ns = std::max(quality.sampled_ns, zone.taken_ns);
    if (record.state == VmState::stopped) publish(record, now, true);
    else if (zone.domain == EnergyDomain::package || zone.domain == EnergyDomain::dram)
      record.power_uw += mean_power_uw(share, interval);
  }
  zone.remainder_uj += remainder.count;
  zone.remainder_power_uw = mean_power_uw(remainder, interval);
}

Nanoseconds Account::take_suspend(const Tick& tick) {
  const bool is_first = host_.sampled_ns == 0;
  const auto grown = tick.boot_offset - time_of(host_.boot_offset_ns);
  host_.boot_offset_ns = ns(std::max(tick.boot_offset, Nanoseconds(0)));
  return is_first || grown < shortest_suspend ? Nanoseconds(0) : grown;
}

void Account::finish_gaps(const Tick& tick, Nanoseconds suspended) {
  for (const auto& vm_tick : tick.vms) {
    auto& record = vms_[vm_tick.uuid];
    const auto age = std::max(tick.now - time_of(record.created_ns), Nanoseconds(0)) + suspended;
    bool is_gap = vm_tick.gap;
    for (std::size_t domain = 0; domain < tick_gaps_.size(); ++domain) {
      const auto& gaps = tick_gaps_[domain];
      auto& quality = record.quality[domain];
      is_gap = is_gap || gaps.gaps > 0;
      quality.gaps += gaps.gaps;
      quality.gap_ns += std::min(gaps.gap_ns, ns(age));
      quality.lost_ns += std::min(gaps.lost_ns, ns(age));
    }
    if (is_gap) ++record.gaps;
  }
  tick_gaps_ = {};
}

std::vector<Error> Account::book(const Tick& tick) {
  std::vector<Error> problems;
  const bool is_first = host_.sampled_ns == 0;
  host_.interval_ns =
      is_first || ns(tick.now) <= host_.sampled_ns ? 0 : ns(tick.now) - host_.sampled_ns;
  if (2 * host_.interval_ns > 3 * ns(options_.tick)) ++host_.late_ticks;
  const auto suspended = take_suspend(tick);
  host_.weighs_smt = options_.weights == PackageWeights::smt ? 1 : 0;
  for (auto& [uuid, record] : vms_) record.power_uw = 0;
  for (auto& zone : host_.zones) zone.power_uw = zone.remainder_power_uw = 0;
  const auto places = place_zones(tick.zones, problems);
  for (std::size_t i = 0; i < places.size(); ++i)
    if (places[i] < max_host_zones) book_zone(tick, tick.zones[i], places[i], suspended, problems);
  for (std::size_t index = 0; index < host_.zone_count; ++index)
    if (std::find(places.begin(), places.end(), index) == places.end())
      book_step(tick, index, states_[index].counter.miss(tick.now, suspended));
  finish_gaps(tick, suspended);
  std::uint32_t domains = 0;
  for (std::uint32_t i = 0; i < host_.zone_count; ++i)
    if (host_.zones[i].is_host_only == 0) domains |= 1u << static_cast<unsigned>(host_.zones[i].domain);
  for (auto& [uuid, record] : vms_) {
    record.domain_mask |= domains;
    record.method = host_.method;
    record.idle_policy = options_.policy;
    publish_new_zones(record);
  }
  for (const auto& vm : tick.vms) finish_vm(tick, vm);
  for (const auto& [package, busy] : tick.busy_mark_ns)
    if (package < max_host_packages) host_.busy_mark_ns[package] = busy;
  ++host_.tick;
  host_.sampled_ns = ns(tick.now);
  return problems;
}

void Account::finish_vm(const Tick& tick, const VmTick& vm_tick) {
  auto& record = vms_[vm_tick.uuid];
  const auto work_before = record.work_ns;
  for (const auto& [scope, work] : vm_tick.work)
    if (scope.is_package()) record.work_ns += work.total_ns;
  if (const auto owned = owned_vcpus(vm_tick); owned > 0) record.owned_vcpus = owned;
  record.work_ns += vm_tick.weighed_off_ns;
  record.work_mark_ns = vm_tick.work_mark_ns;
  record.work_source = vm_tick.work_source;
  record.sampled_ns = ns(tick.now);
  show(record, paces_[vm_tick.uuid], record.work_ns - work_before, time_of(host_.interval_ns));
  publish(record, tick.now, false);
}

std::vector<Uuid> Account::take_expired(Nanoseconds now) {
  // Since when a VM is not running, for those that are not.
  std::vector<std::pair<std::uint64_t, Uuid>> idle;
  for (const auto& [uuid, record] : vms_)
    if (record.state != VmState::running)
      idle.emplace_back(record.state == VmState::stopped ? record.stopped_ns : record.created_ns, uuid);
  std::ranges::sort(idle);
  std::vector<Uuid> expired;
  for (const auto& [since, uuid] : idle) {
    if (ns(now) <= since + ns(options_.keep_stopped) && vms_.size() <= max_vms) break;
    vms_.erase(uuid);
    paces_.erase(uuid);
    expired.push_back(uuid);
  }
  return expired;
}

}  // namespace vpowercap
