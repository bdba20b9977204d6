// SPDX-License-Identifier: Apache-2.0
// What is mounted where, from /proc/self/mountinfo.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"

namespace vpowercap {

/// One mount. (proc(5), /proc/PID/mountinfo.)
struct MountEntry {
  std::string target;
  std::string type;    ///< "virtiofs"
  std::string source;  ///< for virtiofs the tag
  bool read_only = false;
};

/// The mount that is on top at `target` (an absolute path without links), by the text of a mountinfo
/// file; nothing when `target` is no mount point. Lines that are none are passed over.
std::optional<MountEntry> find_mount(std::string_view mountinfo, std::string_view target);

/// The same by this process's own mountinfo; links in `target` are followed.
/// Errors: those of reading /proc/self/mountinfo, ENOENT when `target` does not exist. What is
/// dead there (ENOTCONN) is found by its path as it is given.
Result<std::optional<MountEntry>> current_mount(const std::string& target);

}  // namespace vpowercap
