// SPDX-License-Identifier: Apache-2.0
// Who helps a QEMU: command line, processes, libvirt's PID file.
#include "common/procs/helpers.hpp"

#include <set>

#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

struct Files {
  fuzz::MemoryTree tree;
  fuzz::MemoryFile arguments = tree.file("proc/10/cmdline");
  fuzz::MemoryFile qemu = tree.file("proc/10/stat");
  fuzz::MemoryFile helper = tree.file("proc/11/stat");
  fuzz::MemoryFile child = tree.file("proc/12/stat");
  fuzz::MemoryFile pid_file = tree.file("run/1-vm-fs0.pid");
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Files files;
  const auto input = fuzz::parts(fuzz::as_text(data, size), 5);
  files.arguments.write(input[0]);
  files.qemu.write(input[1]);
  files.helper.write(input[2]);
  files.child.write(input[3]);
  files.pid_file.write(input[4]);
  const auto found = find_helpers(files.tree.path("proc"), files.tree.path("run"), {10, 13});
  std::set<std::int64_t> seen;
  for (const auto& [qemu, helpers] : found.of) {
    law(qemu == 10 || qemu == 13, "helpers are those of the VMs asked for");
    for (const auto& helper : helpers) {
      law(helper.pid == 11 || helper.pid == 12, "a helper is a process, and no QEMU");
      law(seen.insert(helper.pid).second, "a process helps one VM only, once");
    }
  }
  return 0;
}
