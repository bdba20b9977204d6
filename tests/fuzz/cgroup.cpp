// SPDX-License-Identifier: Apache-2.0
// PID/cgroup.
#include "common/procs/vm_cgroup.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::as_text(data, size));
  for (const bool unified : {false, true}) {
    const auto found = find_vm_cgroup(text, unified);
    if (!found) continue;
    law(found->unified == unified, "the hierarchy is the one asked for");
    law(found->path.starts_with('/') && text.find(found->path) != std::string::npos,
        "the path is one of the file's");
    const auto last = found->path.substr(found->path.rfind('/') + 1);
    law(last.ends_with(".libvirt-qemu") ||
            (last.starts_with("machine-qemu") && last.ends_with(".scope")),
        "the path ends with a VM's group");
    const auto line = (unified ? "0::" : "4:cpu,cpuacct:") + found->path + "/emulator\n";
    law(find_vm_cgroup(line, unified) == found, "a process in the group is found to be in it");
  }
  return 0;
}
