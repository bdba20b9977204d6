// SPDX-License-Identifier: Apache-2.0
// Formatting tables.
#include "guest/agent/text_format.hpp"

#include <fmt/format.h>

#include "common/base/utf8.hpp"

namespace vpowercap {
namespace {

double millionth(std::uint64_t micro) { return static_cast<double>(micro) / 1e6; }

std::string watts(std::optional<std::uint64_t> power_uw) {
  return power_uw ? fmt::format("{:.2f}", millionth(*power_uw)) : "-";
}

void add_zones(std::string& text, const std::vector<ZoneReading>& zones) {
  if (zones.empty()) return;
  text +=
      fmt::format("{:<22} {:<12} {:<8} {:>16} {:>10}\n", "ZONE", "NAME", "DOMAIN", "JOULES", "WATTS");
  for (const auto& zone : zones)
    text += fmt::format("{:<22} {:<12} {:<8} {:>16.3f} {:>10}\n", printable(zone.info.id),
                        printable(zone.info.name), to_string(zone.info.domain),
                        millionth(zone.total.count), watts(zone.power_uw));
}

void add_host(std::string& text, const HostRecord& host) {
  text += fmt::format("\n{:<22} {:<12} {:<8} {:>16} {:>10} {:>10}   method {}\n", "HOST ZONE", "NAME",
                      "DOMAIN", "JOULES", "WATTS", "HOST'S OWN", to_string(host.method));
  for (std::uint32_t i = 0; i < std::min(host.zone_count, max_host_zones); ++i) {
    const auto& zone = host.zones[i];
    text += fmt::format("{:<22} {:<12} {:<8} {:>16.3f} {:>10} {:>10}\n", printable(zone.id.view()),
                        printable(zone.name.view()), to_string(zone.domain), millionth(zone.energy_uj),
                        watts(zone.power_uw), watts(zone.remainder_power_uw));
  }
}

void add_vms(std::string& text, const std::vector<VmRecord>& vms) {
  text += fmt::format("\n{:<22} {:<36} {:<8} {:>12} {:>10} {:>10}\n", "VM", "UUID", "STATE", "JOULES",
                      "WATTS", "CPU S");
  for (const auto& vm : vms)
    text += fmt::format("{:<22} {:<36} {:<8} {:>12.3f} {:>10} {:>10.1f}\n",
                        printable(vm.name.view(), 40), vm.uuid.to_string(), to_string(vm.state),
                        millionth(vm.energy_sum(EnergyDomain::package)), watts(vm.power_uw),
                        static_cast<double>(vm.work_ns) / 1e9);
}

}  // namespace

std::string format_text(const Snapshot& snapshot) {
  std::string text;
  add_zones(text, snapshot.readings.zones);
  if (const auto& ledger = snapshot.ledger) {
    if (ledger->host) add_host(text, *ledger->host);
    if (!ledger->vms.empty()) add_vms(text, ledger->vms);
    if (ledger->stale)
      text +=
          fmt::format("problem: {}: vpowercapd has been silent for {:.0f} s, VMs are not shown\n",
                      printable(ledger->path, 200), std::chrono::duration<double>(ledger->age).count());
  }
  for (const auto& problem : snapshot.readings.problems)
    text += "problem: " + printable(problem.message, 400) + "\n";
  return text;
}

}  // namespace vpowercap
