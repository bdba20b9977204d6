// SPDX-License-Identifier: Apache-2.0
// Booking of ticks: deltas of the zones, their division, power and published values.
#include "host/sampler/account.hpp"

#include <algorithm>

#include "common/attribution/attribute.hpp"
#include "common/units/wrap_counter.hpp"
#include "host/sampler/vm_book.hpp"

namespace vpowercap {
namespace {

std::uint64_t ns(Nanoseconds time) { return static_cast<std::uint64_t>(time.count()); }

bool is_attributed(EnergyDomain domain) { return domain != EnergyDomain::psys; }

}  // namespace

void Account::resume(const HostRecord& host, const std::vector<VmRecord>& vms, Method method) {
  host_ = host;
  for (const auto& vm : vms) vms_[vm.uuid] = vm;
  for (std::uint32_t i = 0; i < host_.zone_count; ++i) {
    auto& zone = host_.zones[i];
    zone.power_uw = zone.remainder_power_uw = 0;
    if (method == Method::rapl && host.method == Method::rapl && zone.max_energy_range_uj > 0)
      zone_taken_[std::string(zone.id.view())] =
          Nanoseconds(static_cast<std::int64_t>(host.sampled_ns));
    else ++zone.gaps;
  }
}

void Account::describe_host(Method method, std::uint32_t cpus, std::vector<std::uint32_t> packages) {
  host_.method = method;
  host_.cpus = std::max(1u, cpus);
  packages_ = packages.empty() ? std::vector<std::uint32_t>{0} : std::move(packages);
  host_.packages = static_cast<std::uint32_t>(packages_.size());
}

void Account::admit(const VmDescription& vm, Nanoseconds now) {
  const auto [entry, is_new] = vms_.try_emplace(vm.uuid);
  auto& record = entry->second;
  if (is_new || record.state == VmState::stopped) record.created_ns = ns(now);
  describe_vm(record, vm, host_);
  publish_new_zones(record);
}

void Account::stop(const Uuid& uuid, Nanoseconds now) {
  const auto found = vms_.find(uuid);
  if (found == vms_.end() || found->second.state == VmState::stopped) return;
  found->second.state = VmState::stopped;
  found->second.stopped_ns = ns(now);
  found->second.power_uw = 0;
  publish(found->second, now, true);
}

HostZoneRecord* Account::zone_record(const ZoneReading& reading) {
  const auto end = host_.zones.begin() + host_.zone_count;
  auto found = std::find_if(host_.zones.begin(), end,
                            [&](const HostZoneRecord& zone) { return zone.id.view() == reading.id; });
  if (found == end) {
    if (host_.zone_count == max_host_zones) return nullptr;
    ++host_.zone_count;
    found->id.assign(reading.id);
  }
  found->name.assign(reading.name);
  found->domain = reading.domain;
  found->package = reading.package;
  found->max_energy_range_uj = reading.max_energy_range_uj;
  return &*found;
}

void Account::book_zone(const Tick& tick, const ZoneReading& reading, std::vector<Error>& problems) {
  auto* zone = zone_record(reading);
  if (zone == nullptr) {
    problems.push_back({ENOSPC, reading.id + ": more than " + std::to_string(max_host_zones) +
                                    " zones, this one is not counted"});
    return;
  }
  zone->power_uw = zone->remainder_power_uw = 0;
  if (!reading.raw_uj) {
    ++zone->gaps;
    return;
  }
  const auto last = zone_taken_.find(reading.id);
  const bool is_first = last == zone_taken_.end();
  const auto interval = is_first ? Nanoseconds(0) : reading.taken - last->second;
  const auto delta = WrapCounter{*reading.raw_uj}.delta({zone->raw_uj}, reading.max_energy_range_uj);
  zone->raw_uj = *reading.raw_uj;
  zone_taken_[reading.id] = reading.taken;
  if (is_first) return;
  if (!delta) {
    ++zone->gaps;
    problems.push_back({delta.error().code, reading.id + ": " + delta.error().message});
  } else if (mean_power_uw(*delta, interval) > options_.max_zone_uw || interval <= Nanoseconds(0)) {
    ++zone->gaps;
    problems.push_back(
        {ERANGE, reading.id + ": counter jumped by " + std::to_string(delta->count) + " µJ in " +
                     std::to_string(interval.count() / 1'000'000) +
                     " ms, more than max-zone-watts allows; the interval is not counted"});
  } else {
    divide(tick, *zone, *delta, interval);
  }
}

void Account::divide(const Tick& tick, HostZoneRecord& zone, Microjoules delta, Nanoseconds interval) {
  const auto domain = static_cast<std::size_t>(zone.domain);
  zone.energy_uj += delta.count;
  zone.power_uw = mean_power_uw(delta, interval);
  if (!is_attributed(zone.domain)) {
    zone.remainder_uj += delta.count;
    zone.remainder_power_uw = zone.power_uw;
    return;
  }
  const auto busy = tick.busy_ns.find(zone.package);
  const Nanoseconds tick_length(static_cast<std::int64_t>(host_.interval_ns));
  const PackageLoad package{busy == tick.busy_ns.end() ? 0 : busy->second, host_.cpus, tick_length};
  std::vector<VmLoad> loads;
  for (const auto& vm : tick.vms) {
    const auto work = vm.work.find(zone.package);
    loads.push_back({work == vm.work.end() ? 0 : work->second.total_ns, vms_[vm.uuid].vcpus, vm.alive});
  }
  const ZoneEnergy energy{delta, std::min(delta, energy_of(options_.idle_uw[domain], interval))};
  const auto shares = attribute(energy, package, loads, options_.policy);
  zone.idle_uj += energy.idle.count;
  const auto remainder = shares.remainder.idle + shares.remainder.dynamic;
  zone.remainder_uj += remainder.count;
  zone.remainder_power_uw = mean_power_uw(remainder, interval);
  const auto position = std::find(packages_.begin(), packages_.end(), zone.package);
  for (std::size_t i = 0; i < tick.vms.size(); ++i) {
    const auto work = tick.vms[i].work.find(zone.package);
    static const std::vector<std::uint64_t> none;
    auto& record = vms_[tick.vms[i].uuid];
    if (zone.domain == EnergyDomain::package || zone.domain == EnergyDomain::dram)
      record.power_uw += mean_power_uw(shares.vms[i].idle + shares.vms[i].dynamic, interval);
    book_share(record, zone.domain, shares.vms[i],
               work == tick.vms[i].work.end() ? none : work->second.socket_ns,
               static_cast<std::uint32_t>(position - packages_.begin()));
  }
}

std::vector<Error> Account::book(const Tick& tick) {
  std::vector<Error> problems;
  const bool is_first = host_.sampled_ns == 0;
  host_.interval_ns =
      is_first || ns(tick.now) <= host_.sampled_ns ? 0 : ns(tick.now) - host_.sampled_ns;
  for (auto& [uuid, record] : vms_) record.power_uw = 0;
  for (const auto& reading : tick.zones) book_zone(tick, reading, problems);
  std::uint32_t domains = 0;
  for (std::uint32_t i = 0; i < host_.zone_count; ++i)
    if (is_attributed(host_.zones[i].domain))
      domains |= 1u << static_cast<unsigned>(host_.zones[i].domain);
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
  for (const auto& [package, work] : vm_tick.work) record.work_ns += work.total_ns;
  record.work_ns += vm_tick.weighed_off_ns;
  if (vm_tick.gap) ++record.gaps;
  record.work_mark_ns = vm_tick.work_mark_ns;
  record.work_source = vm_tick.work_source;
  record.sampled_ns = ns(tick.now);
  publish(record, tick.now, false);
}

std::vector<Uuid> Account::take_expired(Nanoseconds now) {
  std::vector<Uuid> expired;
  for (const auto& [uuid, record] : vms_) {
    const bool was_never_started =
        record.state == VmState::starting && ns(now) > record.created_ns + ns(options_.keep_stopped);
    const bool is_over =
        record.state == VmState::stopped && ns(now) > record.stopped_ns + ns(options_.keep_stopped);
    if (was_never_started || is_over) expired.push_back(uuid);
  }
  for (const auto& uuid : expired) vms_.erase(uuid);
  return expired;
}

}  // namespace vpowercap
