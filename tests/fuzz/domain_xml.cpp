// SPDX-License-Identifier: Apache-2.0
// Domain XML as the daemon and the hook read it.
#include "host/hypervisor/domain_xml.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

void check(const VmDescription& vm) {
  const auto& topology = vm.topology;
  law(!vm.name.empty(), "a VM has a name");
  law(Uuid::parse(vm.uuid.to_string()) == vm.uuid, "a UUID printed and read again is the same");
  law(topology.vcpus >= 1 && topology.vcpus <= 65535, "a VM has 1 to 65535 vCPUs");
  law(topology.sockets >= 1 && topology.sockets <= topology.vcpus, "each socket has a vCPU");
  law(topology.plugged_sockets >= 1 && topology.plugged_sockets <= topology.sockets,
      "sockets that are plugged in are some of all");
  law(topology.owned() >= 1 && topology.owned() <= topology.vcpus, "vCPUs in use are some of all");
  for (const auto view : {TopologyView::guest, TopologyView::single, TopologyView::host}) {
    const auto zones = topology.zones(view, 2);
    law(zones >= 1 && zones <= max_virtual_sockets, "a VM's tree has 1 to 64 packages");
  }
  const auto& settings = vm.settings;
  law(settings.grid_ns >= 1'000'000'000 && settings.grid_ns <= 3600'000'000'000, "1 s to 1 h of grid");
  law(settings.quantum_uj >= 1 && settings.quantum_uj <= 1'000'000'000, "a quantum is 1 to 1e9");
  law((settings.energy_mode & ~0444u) == 0 && (settings.energy_mode & 0400) != 0,
      "root can read energy_uj, nobody write it");
  law(settings.blind_seconds == 0 || (settings.blind_seconds >= 60 && settings.blind_seconds <= 3600),
      "blindness is 0 or 60 s to 1 h");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto xml = fuzz::as_text(data, size);
  std::optional<Error> problem;
  const auto vm = parse_domain_xml(xml, VmSettings{}, problem);
  const auto strictly = parse_domain_xml(xml, VmSettings{});
  law(strictly.has_value() == (vm && !problem), "metadata is judged alike by both forms");
  if (!vm) {
    law(vm.error().code == EPROTO && !vm.error().message.empty(), "a refusal gives its reason");
    return 0;
  }
  check(*vm);
  if (problem) law(problem->code == EPROTO && !problem->message.empty(), "a problem gives its reason");
  return 0;
}
