// SPDX-License-Identifier: Apache-2.0
// The mounts of this process's namespace, as /proc/self/mountinfo tells them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"

namespace vpowercap {

/// One line of mountinfo (proc(5)); octal escapes resolved.
struct MountEntry {
  std::string device;  ///< "major:minor": of one file system, whatever its mount points
  std::string root;    ///< directory of the file system that is mounted here
  std::string mount_point;
  std::string options;  ///< of this mount point, e.g. "ro,nosuid"
  std::string type;     ///< "tmpfs", "fuse.vpowercap"
  std::string source;
  bool shared = false;  ///< passes mounts made below it on to its peers and slaves

  [[nodiscard]] bool read_only() const;
};

/// Mounts in mount order: of several at one path the last is the one seen.
using MountTable = std::vector<MountEntry>;

/// Parses mountinfo. Lines it cannot understand are left out.
MountTable parse_mount_table(std::string_view mountinfo);

/// Reads the table; no file system is asked anything, so dead or hung mounts do not matter.
Result<MountTable> read_mount_table();

/// What is seen at `path` (absolute, without links): its topmost mount, nullptr when it is no mount
/// point.
const MountEntry* find_mount(const MountTable& table, std::string_view path);

}  // namespace vpowercap
