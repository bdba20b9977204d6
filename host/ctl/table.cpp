// SPDX-License-Identifier: Apache-2.0
// Text tables of the views.
#include "host/ctl/table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/utf8.hpp"

namespace vpowercap {
namespace {

double millionth(std::uint64_t value) { return static_cast<double>(value) / 1e6; }

std::string method_label(Method method) {
  return method == Method::model ? "method model: an estimate from CPU use" : "method rapl";
}

std::string staleness(const LedgerView& view) {
  if (!view.is_stale) return "";
  return fmt::format("STALE: vpowercapd has been silent for {} s; is it running?\n",
                     std::chrono::duration_cast<std::chrono::seconds>(view.age).count());
}

std::string joules_text(std::uint64_t microjoules) {
  const double joules = millionth(microjoules);
  return joules < 1e6 ? fmt::format("{:.3f} J", joules) : fmt::format("{:.3f} kWh", joules / 3.6e6);
}

}  // namespace

std::string list_table(const LedgerView& view, bool by_power) {
  std::string out = staleness(view);
  out += fmt::format("host {:.2f} W, of it {:.2f} W used by no VM ({})\n\n", millionth(view.power_uw),
                     millionth(view.remainder_power_uw), method_label(view.host.method));
  auto vms = view.vms;
  if (by_power)
    std::stable_sort(vms.begin(), vms.end(),
                     [](const VmRecord& a, const VmRecord& b) { return a.power_uw > b.power_uw; });
  out += fmt::format("{:<36}  {:<20} {:<8} {:>5} {:>9} {:>16} {:>11}\n", "UUID", "NAME", "STATE",
                     "VCPUS", "POWER", "ENERGY", "CPU TIME");
  for (const auto& vm : vms)
    out += fmt::format("{}  {:<20} {:<8} {:>5} {:>7.2f} W {:>16} {:>9.1f} s\n", vm.uuid.to_string(),
                       printable(vm.name.view(), 20), to_string(vm.state), vm.vcpus,
                       millionth(vm.power_uw), joules_text(vm.energy_sum(EnergyDomain::package)),
                       static_cast<double>(vm.work_ns) / 1e9);
  if (vms.empty()) out += "no VM has run since the ledger was made\n";
  return out;
}

std::string vm_page(const LedgerView& view, const VmRecord& vm) {
  std::string out = staleness(view);
  out += fmt::format("{:<14}{}\n{:<14}{}\n{:<14}{}\n{:<14}{}\n", "name", printable(vm.name.view(), 250),
                     "uuid", vm.uuid.to_string(), "state", to_string(vm.state), "method",
                     method_label(vm.method));
  out += fmt::format("{:<14}{:.3f} W\n{:<14}{} ({} sockets shown)\n{:<14}{:.1f} s\n", "power",
                     millionth(vm.power_uw), "vCPUs", vm.vcpus, vm.sockets, "CPU time",
                     static_cast<double>(vm.work_ns) / 1e9);
  out +=
      fmt::format("{:<14}{} s grid, {} µJ quantum, wraps at {} µJ, energy_uj mode {:04o}\n{:<14}{}\n\n",
                  "shown with", static_cast<double>(vm.grid_ns) / 1e9, vm.quantum_uj,
                  vm.max_energy_range_uj, vm.energy_mode, "gaps", vm.gaps);
  out += fmt::format("{:<8}{:<9}{:>18}{:>18}{:>18}{:>18}\n", "SOCKET", "DOMAIN", "ENERGY", "IDLE PART",
                     "DYNAMIC PART", "SHOWN TO GUEST");
  for (std::uint32_t socket = 0; socket < vm.sockets; ++socket) {
    for (const auto domain : virtual_domains) {
      if (!vm.has(domain)) continue;
      const auto& zone = vm.zone(socket, domain);
      out += fmt::format("{:<8}{:<9}{:>18}{:>18}{:>18}{:>18}\n", socket, to_string(domain),
                         joules_text(zone.idle_uj + zone.dynamic_uj), joules_text(zone.idle_uj),
                         joules_text(zone.dynamic_uj), joules_text(zone.published_uj));
    }
  }
  return out;
}

}  // namespace vpowercap
