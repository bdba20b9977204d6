// SPDX-License-Identifier: Apache-2.0
// JSON of the views.
#include "host/ctl/json.hpp"

#include <nlohmann/json.hpp>

namespace vpowercap {
namespace {

using Json = nlohmann::ordered_json;

double joules(std::uint64_t microjoules) { return static_cast<double>(microjoules) / 1e6; }
double watts(std::uint64_t microwatts) { return static_cast<double>(microwatts) / 1e6; }
double seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

Json host_zone(const HostZoneRecord& zone) {
  return {{"id", zone.id.view()},
          {"name", zone.name.view()},
          {"domain", to_string(zone.domain)},
          {"package", zone.package},
          {"watts", watts(zone.power_uw)},
          {"remainder_watts", watts(zone.remainder_power_uw)},
          {"joules", joules(zone.energy_uj)},
          {"remainder_joules", joules(zone.remainder_uj)},
          {"idle_joules", joules(zone.idle_uj)},
          {"gaps", zone.gaps},
          {"gap_seconds", seconds(zone.gap_ns)},
          {"lost_seconds", seconds(zone.lost_ns)},
          {"joules_across_gaps", joules(zone.across_gap_uj)}};
}

Json idle_state(const HostZoneRecord& zone) {
  return {{"method", to_string(zone.idle_method)},
          {"watts", watts(zone.idle_power_uw)},
          {"confidence", to_string(zone.idle_confidence)},
          {"samples", zone.idle_samples}};
}

Json host_summary(const LedgerView& view) {
  return {{"method", to_string(view.host.method)},
          {"estimate", view.host.method == Method::model},
          {"stale", view.is_stale},
          {"ledger_age_seconds", seconds(static_cast<std::uint64_t>(view.age.count()))},
          {"tick", view.host.tick},
          {"sampled_at_seconds", seconds(view.host.sampled_ns)},
          {"host_watts", watts(view.power_uw)},
          {"remainder_watts", watts(view.remainder_power_uw)},
          {"cpus", view.host.cpus},
          {"packages", view.host.packages}};
}

/// Time from `sampled_ns` to the host's last sample; null when there was none.
Json sample_age(const LedgerView& view, std::uint64_t sampled_ns) {
  if (sampled_ns == 0) return nullptr;
  return seconds(view.host.sampled_ns >= sampled_ns ? view.host.sampled_ns - sampled_ns : 0);
}

/// How the numbers of one domain of a VM came about.
Json quality(const LedgerView& view, const VmRecord& vm, EnergyDomain domain) {
  const auto index = static_cast<std::size_t>(domain);
  const auto& state = vm.quality[index];
  return {{"domain", to_string(domain)},
          {"method", to_string(vm.method)},
          {"divided_by", to_string(vm.basis[index])},
          {"gaps", state.gaps},
          {"gap_seconds", seconds(state.gap_ns)},
          {"lost_seconds", seconds(state.lost_ns)},
          {"joules_across_gaps", joules(state.across_gap_uj)},
          {"sample_age_seconds", sample_age(view, state.sampled_ns)}};
}

Json vm_summary(const LedgerView& view, const VmRecord& vm) {
  const auto domain = EnergyDomain::package;
  std::uint64_t idle = 0;
  for (std::uint32_t socket = 0; socket < vm.sockets; ++socket) idle += vm.zone(socket, domain).idle_uj;
  const auto total = vm.energy_sum(domain);
  return {{"uuid", vm.uuid.to_string()},
          {"name", vm.name.view()},
          {"state", to_string(vm.state)},
          {"method", to_string(vm.method)},
          {"estimate", vm.method == Method::model},
          {"vcpus", vm.vcpus},
          {"owned_vcpus", vm.owned_vcpus},
          {"sockets", vm.sockets},
          {"watts", watts(vm.power_uw)},
          {"joules", joules(total)},
          {"idle_joules", joules(idle)},
          {"dynamic_joules", joules(total - idle)},
          {"published_joules", joules(vm.published_sum(domain))},
          {"published_at_seconds", seconds(vm.published_ns)},
          {"cpu_seconds", seconds(vm.work_ns)},
          {"gaps", vm.gaps},
          {"grid_seconds", seconds(vm.grid_ns)},
          {"quantum_microjoules", vm.quantum_uj},
          {"idle_policy", to_string(vm.idle_policy)},
          {"sample_age_seconds", sample_age(view, vm.sampled_ns)}};
}

std::string text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string host_json(const LedgerView& view) {
  auto json = host_summary(view);
  json["interval_seconds"] = seconds(view.host.interval_ns);
  json["late_ticks"] = view.host.late_ticks;
  json["weights"] = view.host.weighs_smt != 0 ? "smt" : "time";
  json["zones"] = Json::array();
  for (std::uint32_t i = 0; i < view.host.zone_count; ++i) {
    auto zone = host_zone(view.host.zones[i]);
    zone["idle"] = idle_state(view.host.zones[i]);
    json["zones"].push_back(std::move(zone));
  }
  return text(json);
}

std::string to_json(const LedgerView& view) {
  auto json = host_summary(view);
  json["zones"] = Json::array();
  for (std::uint32_t i = 0; i < view.host.zone_count; ++i)
    json["zones"].push_back(host_zone(view.host.zones[i]));
  json["vms"] = Json::array();
  for (const auto& vm : view.vms) json["vms"].push_back(vm_summary(view, vm));
  return text(json);
}

std::string to_json(const LedgerView& view, const VmRecord& vm) {
  auto json = vm_summary(view, vm);
  json["stale"] = view.is_stale;
  json["topology"] = to_string(vm.topology);
  json["off"] = vm.is_off != 0;
  json["shown_zones"] = vm.hides_subzones != 0 ? "package" : "all";
  json["shown_idle"] = vm.hides_idle == 0;
  json["neighbour_blind_seconds"] = vm.blind_seconds;
  json["quality"] = Json::array();
  for (const auto domain : virtual_domains)
    if (vm.has(domain)) json["quality"].push_back(quality(view, vm, domain));
  json["zones"] = Json::array();
  for (std::uint32_t socket = 0; socket < vm.sockets; ++socket) {
    for (const auto domain : virtual_domains) {
      if (!vm.has(domain)) continue;
      const auto& zone = vm.zone(socket, domain);
      json["zones"].push_back({{"socket", socket},
                               {"domain", to_string(domain)},
                               {"joules", joules(zone.idle_uj + zone.dynamic_uj)},
                               {"idle_joules", joules(zone.idle_uj)},
                               {"dynamic_joules", joules(zone.dynamic_uj)},
                               {"published_joules", joules(zone.published_uj)}});
    }
  }
  return text(json);
}

}  // namespace vpowercap
