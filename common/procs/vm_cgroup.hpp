// SPDX-License-Identifier: Apache-2.0
// The CPU time of the control group that libvirt makes for each VM.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace vpowercap {

/// Path, within its hierarchy, of the VM's own control group that `text`, a PID/cgroup file, names for
/// one hierarchy line by line: the part up to "machine-qemu….scope" (systemd) or "….libvirt-qemu". The
/// process itself is in a group further down (emulator, libvirt/emulator). nullopt: in no such group.
struct VmCgroupPath {
  bool unified = false;  ///< version 2; else version 1's cpuacct
  std::string path;      ///< begins with a slash
  bool operator==(const VmCgroupPath&) const = default;
};
std::optional<VmCgroupPath> find_vm_cgroup(const std::string& text, bool unified);

/// The group of one VM: QEMU, its vhost threads and those helper processes that libvirt puts there.
/// Keeps one file open. Not thread-safe.
class VmCgroup {
 public:
  /// The group of the process `pid`: cpu.stat of version 2 below `sysfs_root`/fs/cgroup or its
  /// `unified`, else cpuacct.usage of version 1. Errors: ENOENT when it is in no group of a VM's own or
  /// that group cannot be seen; others of open and read.
  static Result<VmCgroup> open(const std::string& proc_root, const std::string& sysfs_root,
                               std::int64_t pid);

  /// CPU time in ns of all that ever ran in the group. Errors: ENODEV when the group is gone; EPROTO
  /// naming the file.
  [[nodiscard]] Result<std::uint64_t> usage_ns() const;
  /// True when `text`, a PID/cgroup file, shows that its process is within this group.
  [[nodiscard]] bool holds(const std::string& text) const;

 private:
  VmCgroup(VmCgroupPath path, std::string file, UniqueFd fd)
      : path_(std::move(path)), file_(std::move(file)), fd_(std::move(fd)) {}

  VmCgroupPath path_;
  std::string file_;  // for messages
  UniqueFd fd_;
};

}  // namespace vpowercap
