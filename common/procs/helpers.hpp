// SPDX-License-Identifier: Apache-2.0
// Processes that work for a VM outside QEMU: vhost kernel threads, virtiofsd, swtpm, passt and the
// like.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.hpp"

namespace vpowercap {

/// A process, safe against reuse of its PID.
struct ProcessId {
  std::int64_t pid = 0;
  std::uint64_t start_ticks = 0;
  bool operator==(const ProcessId&) const = default;
};

struct FoundHelpers {
  std::map<std::int64_t, std::vector<ProcessId>> of;  ///< by the PID of their QEMU
  /// The first file that could not be read, though what it tells of may live: helpers may be missing.
  std::optional<Error> problem;
};

/// The helpers of the QEMU processes `qemu_pids`, by these:
/// - kernel threads named vhost-PID (kernels before 6.4; later ones are threads of QEMU itself);
/// - processes that libvirt's PID files ID-NAME-*.pid in `libvirt_pid_dir` or its swtpm, passt, slirp
///   and dbus name, ID-NAME being what QEMU's own command line calls its domain, if they carry the name
///   of a program that libvirt starts as a helper: a stale file must not make a stranger a helper;
/// - children of those (virtiofsd's sandbox).
/// A process is one VM's helper only. Reads every process's stat.
FoundHelpers find_helpers(const std::string& proc_root, const std::string& libvirt_pid_dir,
                          const std::vector<std::int64_t>& qemu_pids);

}  // namespace vpowercap
