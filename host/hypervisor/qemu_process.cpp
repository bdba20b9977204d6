// SPDX-License-Identifier: Apache-2.0
// PID files and the check that a PID is the VM's.
#include "host/hypervisor/qemu_process.hpp"

#include <fcntl.h>

#include <algorithm>

#include "common/base/file.hpp"
#include "common/base/utf8.hpp"
#include "common/procs/vm_process.hpp"

namespace vpowercap {
namespace {

/// libvirt escapes the name in the PID file's name as it does in XML (virPidFileBuildPath of 9.0).
std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) {
    if (c == '<') text += "&lt;";
    else if (c == '>') text += "&gt;";
    else if (c == '&') text += "&amp;";
    else if (c == '"') text += "&quot;";
    else if (c == '\'') text += "&apos;";
    else text += c;
  }
  return text;
}

Result<std::int64_t> read_pid(const std::string& pid_dir, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos || name.find('\0') != std::string::npos)
    return fail(EINVAL,
                "the name \"" + printable(name) + "\" cannot be a file's: no PID file to look for");
  std::string file = escaped(name) + ".pid";
  auto content = read_file_at(AT_FDCWD, pid_dir + "/" + file, 64);
  if (!content && content.error().code == ENOENT) {
    file = name + ".pid";
    content = read_file_at(AT_FDCWD, pid_dir + "/" + file, 64);
  }
  const std::string shown = pid_dir + "/" + printable(file, 300);
  if (!content && content.error().code == ENOENT) return fail(ENOENT, shown + " is not there");
  if (!content) return fail_errno(content.error().code, "cannot read " + shown);
  const auto pid = parse_u64(*content);
  if (!pid || *pid < 1 || *pid > INT32_MAX) return fail(EPROTO, shown + " holds no process number");
  return static_cast<std::int64_t>(*pid);
}

/// Only QEMU's own first -uuid counts: what follows may come from a custom command line.
bool carries_uuid(const std::vector<std::string>& arguments, const Uuid& uuid) {
  const auto option = std::ranges::find(arguments, "-uuid");
  return option != arguments.end() && option + 1 != arguments.end() && Uuid::parse(option[1]) == uuid;
}

}  // namespace

Result<void> find_qemu_process(const std::string& pid_dir, const std::string& proc_root,
                               VmDescription& vm) {
  const auto pid = read_pid(pid_dir, vm.name);
  if (!pid) return tl::unexpected(pid.error());
  // The start time before and after: the arguments are those of one and the same process.
  const auto before = process_start_ticks(proc_root, *pid);
  if (!before) return tl::unexpected(before.error());
  const auto arguments = process_arguments(proc_root, *pid);
  if (!arguments) return tl::unexpected(arguments.error());
  const auto after = process_start_ticks(proc_root, *pid);
  if (!after) return tl::unexpected(after.error());
  if (*before != *after || !carries_uuid(*arguments, vm.uuid))
    return fail(ESTALE,
                "process " + std::to_string(*pid) + ", named by libvirt's PID file, is not this VM");
  vm.pid = *pid;
  vm.pid_start_ticks = *after;
  vm.state = VmState::running;
  return {};
}

}  // namespace vpowercap
