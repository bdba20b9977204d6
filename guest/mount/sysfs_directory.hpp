// SPDX-License-Identifier: Apache-2.0
// Directories in sysfs that the kernel lacks: nobody can make one there, but something may cover it.
#pragma once

#include <string>

#include "common/base/result.hpp"
#include "guest/mount/modules.hpp"

namespace vpowercap {

/// Source of the file systems that this makes, by which they are known again.
inline constexpr const char* cover_source = "vpowercap-directory";

/// Covers `parent` (a directory of sysfs) with a read-only overlay of itself in which there is an empty
/// directory `name` too. What is mounted below `parent` is hidden by it. Below /sys/class it does no
/// harm to the system; below /sys/devices it takes all devices from udev, which wants sysfs there: then
/// only in a mount namespace of its own. (Documentation/filesystems/overlayfs.rst.)
/// Errors: those of mount(2), in a sentence; ENODEV where the kernel has no overlayfs.
Result<void> add_directory(const std::string& parent, const std::string& name, const LoadModule& load);

/// Takes an overlay of add_directory() off `parent` again, if one is on top there and it is not in use.
void remove_added_directory(const std::string& parent);

/// Whether the file system at `path` is sysfs.
bool is_sysfs(const std::string& path);

}  // namespace vpowercap
