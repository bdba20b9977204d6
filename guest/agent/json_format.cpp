// SPDX-License-Identifier: Apache-2.0
// Formatting JSON.
#include "guest/agent/json_format.hpp"

#include <ctime>
#include <nlohmann/json.hpp>

#include "common/base/utf8.hpp"
#include "common/options/version.hpp"

namespace vpowercap {
namespace {

using Json = nlohmann::ordered_json;

double millionth(std::uint64_t micro) { return static_cast<double>(micro) / 1e6; }
double seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

/// ISO 8601 in UTC with milliseconds.
std::string time_text(std::chrono::system_clock::time_point time) {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
  const std::time_t whole = since.count() / 1000;
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char text[40];
  const auto length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(since.count() % 1000));
  return text;
}

Json zone_json(const ZoneReading& zone) {
  return {{"id", valid_utf8(zone.info.id)},
          {"control_type", valid_utf8(zone.info.control_type)},
          {"name", valid_utf8(zone.info.name)},
          {"domain", to_string(zone.info.domain)},
          {"package", zone.info.package},
          {"energy_joules", millionth(zone.total.count)},
          {"power_watts", zone.power_uw ? Json(millionth(*zone.power_uw)) : Json()},
          {"max_energy_range_joules", millionth(zone.info.max_energy_range_uj)}};
}

Json host_json(const HostRecord& host) {
  Json zones = Json::array();
  for (std::uint32_t i = 0; i < std::min(host.zone_count, max_host_zones); ++i) {
    const auto& zone = host.zones[i];
    zones.push_back({{"id", valid_utf8(zone.id.view())},
                     {"name", valid_utf8(zone.name.view())},
                     {"domain", to_string(zone.domain)},
                     {"package", zone.package},
                     {"energy_joules", millionth(zone.energy_uj)},
                     {"remainder_joules", millionth(zone.remainder_uj)},
                     {"idle_joules", millionth(zone.idle_uj)},
                     {"power_watts", millionth(zone.power_uw)},
                     {"remainder_watts", millionth(zone.remainder_power_uw)},
                     {"gaps", zone.gaps}});
  }
  return {{"method", to_string(host.method)},
          {"packages", host.packages},
          {"cpus", host.cpus},
          {"zones", std::move(zones)}};
}

Json vm_json(const VmRecord& vm) {
  Json zones = Json::array();
  for (std::uint32_t socket = 0; socket < std::min(vm.sockets, max_virtual_sockets); ++socket) {
    for (const auto domain : virtual_domains) {
      if (!vm.has(domain)) continue;
      const auto& zone = vm.zone(socket, domain);
      zones.push_back({{"socket", socket},
                       {"domain", to_string(domain)},
                       {"energy_joules", millionth(zone.idle_uj + zone.dynamic_uj)},
                       {"idle_joules", millionth(zone.idle_uj)},
                       {"dynamic_joules", millionth(zone.dynamic_uj)},
                       {"published_joules", millionth(zone.published_uj)}});
    }
  }
  return {{"uuid", vm.uuid.to_string()},
          {"name", valid_utf8(vm.name.view())},
          {"state", to_string(vm.state)},
          {"method", to_string(vm.method)},
          {"idle_policy", to_string(vm.idle_policy)},
          {"vcpus", vm.vcpus},
          {"sockets", vm.sockets},
          {"power_watts", millionth(vm.power_uw)},
          {"cpu_seconds", static_cast<double>(vm.work_ns) / 1e9},
          {"gaps", vm.gaps},
          {"zones", std::move(zones)}};
}

}  // namespace

std::string format_json(const Snapshot& snapshot, const std::string& powercap_root) {
  Json zones = Json::array();
  for (const auto& zone : snapshot.readings.zones) zones.push_back(zone_json(zone));
  Json problems = Json::array();
  for (const auto& problem : snapshot.readings.problems)
    problems.push_back(valid_utf8(problem.message));
  Json object{{"time", time_text(snapshot.time)},
              {"version", version},
              {"powercap_root", valid_utf8(powercap_root)},
              {"zones", std::move(zones)},
              {"problems", std::move(problems)}};
  if (const auto& ledger = snapshot.ledger) {
    object["ledger"] = {{"path", valid_utf8(ledger->path)},
                        {"age_seconds", seconds(ledger->age)},
                        {"stale", ledger->stale},
                        {"tick_seconds", seconds(ledger->tick)}};
    object["host"] = ledger->host ? host_json(*ledger->host) : Json();
    object["vms"] = Json::array();
    for (const auto& vm : ledger->vms) object["vms"].push_back(vm_json(vm));
  }
  return object.dump();
}

}  // namespace vpowercap
