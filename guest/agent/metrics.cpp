// SPDX-License-Identifier: Apache-2.0
// Building metric families.
#include "guest/agent/metrics.hpp"

#include <utility>

#include "common/base/utf8.hpp"
#include "common/options/version.hpp"

namespace vpowercap {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

double millionth(std::uint64_t micro) { return static_cast<double>(micro) / 1e6; }
std::string text(std::string_view bytes) { return valid_utf8(bytes); }

/// One family in the making.
struct Family {
  MetricFamily family;

  Family(std::string name, std::string help, MetricType type) {
    family.name = std::move(name);
    family.help = std::move(help);
    family.type = type;
  }
  void add(Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family.metric.push_back(std::move(metric));
  }
};

Family counter(std::string name, std::string help) {
  return {std::move(name), std::move(help), MetricType::Counter};
}
Family gauge(std::string name, std::string help) {
  return {std::move(name), std::move(help), MetricType::Gauge};
}

/// Takes finished families; an empty one says nothing and is left out.
struct Families {
  std::vector<MetricFamily> all;

  void take(Family done) {
    if (!done.family.metric.empty()) all.push_back(std::move(done.family));
  }
};

void add_zones(Families& families, const ZoneReadings& readings) {
  auto joules = counter("vpowercap_zone_joules_total", "Energy of a powercap zone of this machine.");
  auto range = gauge("vpowercap_zone_max_energy_range_joules",
                     "Energy at which the zone's own counter wraps; the total does not.");
  for (const auto& zone : readings.zones) {
    const Labels labels{{"zone", text(zone.info.id)},
                        {"name", text(zone.info.name)},
                        {"domain", text(to_string(zone.info.domain))},
                        {"package", std::to_string(zone.info.package)}};
    joules.add(labels, millionth(zone.total.count));
    range.add(labels, millionth(zone.info.max_energy_range_uj));
  }
  families.take(std::move(joules));
  families.take(std::move(range));

  auto errors = counter("vpowercap_zone_read_errors_total",
                        "Readings in which a zone known from before could not be read.");
  for (const auto& [zone, count] : readings.read_errors)
    errors.add({{"zone", text(zone)}}, static_cast<double>(count));
  families.take(std::move(errors));
  auto gaps =
      counter("vpowercap_zone_gaps_total",
              "Jumps of a zone's counter that no machine can make; their energy is not counted.");
  for (const auto& [zone, count] : readings.gaps)
    gaps.add({{"zone", text(zone)}}, static_cast<double>(count));
  families.take(std::move(gaps));
  auto problems =
      gauge("vpowercap_problems", "What the agent finds wrong now; its log has the sentences.");
  problems.add({}, static_cast<double>(readings.problems.size()));
  families.take(std::move(problems));
}

void add_host(Families& families, const HostRecord& host) {
  auto joules =
      counter("vpowercap_host_joules_total", "Energy of a zone of the host, as vpowercapd counts it.");
  auto remainder = counter("vpowercap_host_remainder_joules_total",
                           "Energy of a zone of the host that no VM got: the host's own.");
  auto idle = counter("vpowercap_host_idle_joules_total", "Idle energy of a zone of the host.");
  auto gaps = counter("vpowercap_host_gaps_total", "Intervals without a usable reading of the zone.");
  for (std::uint32_t i = 0; i < std::min(host.zone_count, max_host_zones); ++i) {
    const auto& zone = host.zones[i];
    const Labels labels{{"zone", text(zone.id.view())},
                        {"name", text(zone.name.view())},
                        {"domain", text(to_string(zone.domain))},
                        {"package", std::to_string(zone.package)},
                        {"method", text(to_string(host.method))}};
    joules.add(labels, millionth(zone.energy_uj));
    remainder.add(labels, millionth(zone.remainder_uj));
    idle.add(labels, millionth(zone.idle_uj));
    gaps.add(labels, static_cast<double>(zone.gaps));
  }
  for (auto* family : {&joules, &remainder, &idle, &gaps}) families.take(std::move(*family));
  auto method =
      gauge("vpowercap_method_info", "How the host's energy is known: rapl or model (an estimate).");
  method.add({{"method", text(to_string(host.method))}}, 1);
  families.take(std::move(method));
}

void add_vms(Families& families, const std::vector<VmRecord>& vms) {
  auto joules = counter("vpowercap_vm_joules_total", "Energy attributed to a virtual socket of a VM.");
  auto idle =
      counter("vpowercap_vm_idle_joules_total", "Idle energy within vpowercap_vm_joules_total.");
  auto cpu =
      counter("vpowercap_vm_cpu_seconds_total", "CPU time charged to a VM, its helpers included.");
  auto info = gauge("vpowercap_vm_info", "What is fixed about a VM.");
  for (const auto& vm : vms) {
    const Labels identity{{"uuid", vm.uuid.to_string()}, {"vm", text(vm.name.view())}};
    const std::string method = text(to_string(vm.method));
    for (std::uint32_t socket = 0; socket < std::min(vm.sockets, max_virtual_sockets); ++socket) {
      for (const auto domain : virtual_domains) {
        if (!vm.has(domain)) continue;
        Labels labels = identity;
        labels.push_back({"domain", text(to_string(domain))});
        labels.push_back({"socket", std::to_string(socket)});
        labels.push_back({"method", method});
        const auto& zone = vm.zone(socket, domain);
        joules.add(labels, millionth(zone.idle_uj + zone.dynamic_uj));
        idle.add(labels, millionth(zone.idle_uj));
      }
    }
    cpu.add(identity, static_cast<double>(vm.work_ns) / 1e9);
    Labels labels = identity;
    labels.push_back({"state", text(to_string(vm.state))});
    labels.push_back({"vcpus", std::to_string(vm.vcpus)});
    labels.push_back({"sockets", std::to_string(vm.sockets)});
    labels.push_back({"method", method});
    labels.push_back({"idle_policy", text(to_string(vm.idle_policy))});
    info.add(labels, 1);
  }
  for (auto* family : {&joules, &idle, &cpu, &info}) families.take(std::move(*family));
}

}  // namespace

std::vector<MetricFamily> metric_families(const Snapshot& snapshot) {
  Families families;
  add_zones(families, snapshot.readings);
  if (const auto& ledger = snapshot.ledger) {
    auto age = gauge("vpowercap_ledger_age_seconds", "Time since vpowercapd's last sign of life.");
    age.add({}, std::chrono::duration<double>(ledger->age).count());
    families.take(std::move(age));
    if (ledger->host) add_host(families, *ledger->host);
    add_vms(families, ledger->vms);
  }
  auto build = gauge("vpowercap_build_info", "Version of the agent.");
  build.add({{"version", version}}, 1);
  families.take(std::move(build));
  return std::move(families.all);
}

}  // namespace vpowercap
