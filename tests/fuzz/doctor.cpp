// SPDX-License-Identifier: Apache-2.0
// What the doctor reads of processes: a virtiofsd's options, the machine's start, libvirtd's.
#include "host/ctl/doctor.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

struct Files {
  fuzz::MemoryTree tree;
  fuzz::MemoryFile stat = tree.file("proc/stat");
  fuzz::MemoryFile libvirtd = tree.file("proc/5/stat");
  fuzz::MemoryFile virtiofsd = tree.file("proc/6/cmdline");

  Files() {
    tree.file("proc/5/comm").write("libvirtd\n");
    tree.file("proc/6/comm").write("virtiofsd\n");
    tree.file("hook").write("");
  }
};

constexpr auto id = "11111111-1111-4111-8111-111111111111";

/// Facts of a host with a daemon and a VM.
HostFacts with_vm(HostFacts facts) {
  LedgerView view;
  view.host.zone_count = 1;
  VmRecord vm;
  vm.uuid = *Uuid::parse(id);
  vm.state = VmState::running;
  vm.name.assign("vm");
  view.vms.push_back({vm});
  facts.ledger = std::move(view);
  return facts;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Files files;
  const auto input = fuzz::parts(fuzz::as_text(data, size), 3);
  files.stat.write(input[0]);
  files.libvirtd.write(input[1]);
  files.virtiofsd.write(input[2]);
  const DoctorPlaces places{.paths = RunPaths{"/run/f"},
                            .proc_root = files.tree.path("proc"),
                            .hook = files.tree.path("hook")};
  auto facts = gather_facts(places);
  law(facts.virtiofsd.size() == 1, "there is one virtiofsd");
  const auto found = diagnose(with_vm(std::move(facts)));
  law(!found.empty(), "there is something to say");
  for (const auto& one : found) law(!one.sentence.empty(), "each has its sentence");
  const bool names_share = input[2].find("/run/f/share/" + std::string(id)) != std::string_view::npos;
  law(names_share || !found.back().is_well,
      "no VM is served by a virtiofsd that serves something else");
  return 0;
}
