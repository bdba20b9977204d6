// SPDX-License-Identifier: Apache-2.0
// What tells which process is a VM's and what it used: libvirt's PID file, command lines, the times of a
// control group of either version.
#include <array>

#include "common/procs/vm_cgroup.hpp"
#include "fuse-fs/mount/in_use.hpp"
#include "host/hypervisor/qemu_process.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

constexpr auto id = "11111111-1111-4111-8111-111111111111";

struct Files {
  fuzz::MemoryTree tree;
  fuzz::MemoryFile pid_file = tree.file("run/vm.pid");
  fuzz::MemoryFile cmdline = tree.file("proc/7/cmdline");
  fuzz::MemoryFile unified = tree.file("sys/fs/cgroup/a.libvirt-qemu/cpu.stat");
  fuzz::MemoryFile legacy = tree.file("sys/fs/cgroup/cpuacct/b.libvirt-qemu/cpuacct.usage");

  Files() {
    tree.file("proc/7/stat").write("7 (qemu) S 1 7 7 0 -1 0 0 0 0 0 3 4 0 0 20 0 1 0 99 0 0\n");
    tree.file("proc/7/cgroup").write("0::/a.libvirt-qemu/emulator\n");
    tree.file("proc/8/cgroup").write("4:cpu,cpuacct:/b.libvirt-qemu/emulator\n");
    tree.file("proc/1/cmdline").write("init");
  }
};

void check_qemu(const Files& files, std::string_view pid_file, std::string_view cmdline) {
  VmDescription vm{.uuid = *Uuid::parse(id), .name = "vm"};
  const auto found = find_qemu_process(files.tree.path("run"), files.tree.path("proc"), vm);
  const bool is_right = pid_file == "7" || pid_file == "7\n";
  if (!found) {
    law(vm.pid == 0, "a process that was not found is not told");
    const auto code = found.error().code;
    law(code == EPROTO || code == EFBIG || code == ESRCH || code == ESTALE,
        "a refusal is of four kinds");
    return;
  }
  law(vm.pid == 7 && vm.pid_start_ticks == 99, "the process is the one that the file names");
  law(is_right || pid_file.find('7') != std::string_view::npos, "a number is not made up");
  law(cmdline.find("-uuid") != std::string_view::npos, "the process says whose it is");
}

void check_usage(const Files& files, std::int64_t pid, const fuzz::MemoryFile& file,
                 std::string_view key) {
  const auto root = files.tree.path("proc");
  const auto sys = files.tree.path("sys");
  const auto group = VmCgroup::open(root, sys, pid);
  const auto usage = group ? group->usage_ns() : tl::unexpected(group.error());
  if (!usage) {
    const auto code = usage.error().code;
    law(code == EPROTO || code == EFBIG || code == ENOENT || code == ENODEV,
        "a refusal is of four kinds");
    law(usage.error().message.find(files.tree.path()) != std::string::npos, "a refusal names the file");
    return;
  }
  const std::uint64_t unit = key.empty() ? 1 : 1000;
  law(*usage % unit == 0, "time is whole microseconds");
  file.write(std::string(key) + std::to_string(*usage / unit) + "\n");
  const auto again = group->usage_ns();
  law(again && *again == *usage, "a time printed and read again is the same");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Files files;
  static const std::array vms{*Uuid::parse(id)};
  const auto input = fuzz::parts(fuzz::as_text(data, size), 4);
  files.pid_file.write(input[0]);
  files.cmdline.write(input[1]);
  files.unified.write(input[2]);
  files.legacy.write(input[3]);
  check_qemu(files, input[0], input[1]);
  check_usage(files, 7, files.unified, "usage_usec ");
  check_usage(files, 8, files.legacy, "");
  law(named_by_processes(files.tree.path("proc"), vms).empty() ==
          (input[1].find(id) == std::string_view::npos),
      "a VM is in use if a process names it");
  return 0;
}
