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
  return method == Method::model ? "model: an estimate from CPU use" : "rapl";
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

/// How the numbers of each domain of a VM came about.
std::string quality_table(const LedgerView& view, const VmRecord& vm) {
  std::string out = fmt::format("\n{:<9}{:<12}{:>8}{:>12}{:>18}{:>14}\n", "DOMAIN", "DIVIDED BY",
                                "GAPS", "GAP TIME", "ACROSS GAPS", "LAST SAMPLE");
  for (const auto domain : virtual_domains) {
    if (!vm.has(domain)) continue;
    const auto index = static_cast<std::size_t>(domain);
    const auto& state = vm.quality[index];
    const auto age = view.host.sampled_ns - std::min(view.host.sampled_ns, state.sampled_ns);
    const auto age_text =
        state.sampled_ns == 0 ? "never" : fmt::format("{:.1f} s old", static_cast<double>(age) / 1e9);
    out += fmt::format("{:<9}{:<12}{:>8}{:>10.1f} s{:>18}{:>14}\n", to_string(domain),
                       to_string(vm.basis[index]), state.gaps, static_cast<double>(state.gap_ns) / 1e9,
                       joules_text(state.across_gap_uj), age_text);
  }
  return out;
}

/// What the VM's settings keep from its guest; empty: nothing.
std::string limits_text(const VmRecord& vm) {
  std::vector<std::string> parts;
  if (vm.is_off != 0) parts.emplace_back("sees no zones (off)");
  else if (vm.hides_subzones != 0) parts.emplace_back("sees packages only");
  if (vm.hides_idle != 0) parts.emplace_back("is shown no idle energy");
  if (vm.blind_seconds != 0)
    parts.push_back(fmt::format("sees its neighbours over {} s only", vm.blind_seconds));
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

std::string list_table(const LedgerView& view, bool by_power) {
  std::string out = staleness(view);
  out += fmt::format("host {:.2f} W, of it {:.2f} W used by no VM (method {})\n\n",
                     millionth(view.power_uw), millionth(view.remainder_power_uw),
                     method_label(view.host.method));
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

std::string host_page(const LedgerView& view) {
  const auto& host = view.host;
  std::string out = staleness(view);
  out += fmt::format("{:<14}{}\n{:<14}{:.2f} W, of it {:.2f} W used by no VM\n", "method",
                     method_label(host.method), "power", millionth(view.power_uw),
                     millionth(view.remainder_power_uw));
  out += fmt::format(
      "{:<14}{} in {} packages\n{:<14}{}, of them {} late; the last took {:.3f} s\n"
      "{:<14}{}\n\n",
      "CPUs", host.cpus, host.packages, "ticks", host.tick, host.late_ticks,
      static_cast<double>(host.interval_ns) / 1e9, "weights", host.weighs_smt != 0 ? "smt" : "time");
  out += fmt::format("{:<18} {:<17} {:>10} {:>10} {:>16} {:>16}\n", "ZONE", "NAME", "POWER", "BY NO VM",
                     "ENERGY", "BY NO VM");
  for (std::uint32_t i = 0; i < host.zone_count; ++i) {
    const auto& zone = host.zones[i];
    out += fmt::format("{:<18} {:<17} {:>8.2f} W {:>8.2f} W {:>16} {:>16}\n", zone.id.view(),
                       zone.name.view(), millionth(zone.power_uw), millionth(zone.remainder_power_uw),
                       joules_text(zone.energy_uj), joules_text(zone.remainder_uj));
  }
  out += fmt::format("\n{:<18} {:>10} {:<11} {:<10} {:>8} {:>16} {:>6} {:>10} {:>16}\n", "ZONE",
                     "IDLE POWER", "METHOD", "CONFIDENCE", "SAMPLES", "IDLE ENERGY", "GAPS", "GAP TIME",
                     "ACROSS GAPS");
  for (std::uint32_t i = 0; i < host.zone_count; ++i) {
    const auto& zone = host.zones[i];
    out +=
        fmt::format("{:<18} {:>8.2f} W {:<11} {:<10} {:>8} {:>16} {:>6} {:>8.1f} s {:>16}\n",
                    zone.id.view(), millionth(zone.idle_power_uw), to_string(zone.idle_method),
                    to_string(zone.idle_confidence), zone.idle_samples, joules_text(zone.idle_uj),
                    zone.gaps, static_cast<double>(zone.gap_ns) / 1e9, joules_text(zone.across_gap_uj));
  }
  if (host.zone_count == 0) out += "no zone has been read yet\n";
  return out;
}

std::string vm_page(const LedgerView& view, const VmRecord& vm) {
  std::string out = staleness(view);
  out += fmt::format("{:<14}{}\n{:<14}{}\n{:<14}{}\n{:<14}{}\n", "name", printable(vm.name.view(), 250),
                     "uuid", vm.uuid.to_string(), "state", to_string(vm.state), "method",
                     method_label(vm.method));
  out += fmt::format("{:<14}{:.3f} W\n{:<14}{} of {} ({} sockets shown)\n{:<14}{:.1f} s\n", "power",
                     millionth(vm.power_uw), "vCPUs", vm.owned_vcpus, vm.vcpus, vm.sockets, "CPU time",
                     static_cast<double>(vm.work_ns) / 1e9);
  out +=
      fmt::format("{:<14}{} s grid, {} µJ quantum, wraps at {} µJ, energy_uj mode {:04o}\n{:<14}{}\n\n",
                  "shown with", static_cast<double>(vm.grid_ns) / 1e9, vm.quantum_uj,
                  vm.max_energy_range_uj, vm.energy_mode, "gaps", vm.gaps);
  if (const auto limits = limits_text(vm); !limits.empty())
    out += fmt::format("{:<14}{}\n\n", "the guest", limits);
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
  return out + quality_table(view, vm);
}

}  // namespace vpowercap
