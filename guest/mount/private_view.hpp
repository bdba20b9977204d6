// SPDX-License-Identifier: Apache-2.0
// The share at every place where some agent looks, for one process and its children.
#pragma once

#include "guest/mount/share.hpp"

namespace vpowercap {

/// Where agents look (Documentation/ABI/testing/sysfs-class-powercap): a guest's kernel has the first
/// at most, and empty.
inline constexpr const char* class_place = "/sys/class/powercap";
inline constexpr const char* devices_place = "/sys/devices/virtual/powercap";

/// Moves this process into a mount namespace of its own and shows the share there at both places.
/// What is mounted elsewhere later appears in it too, but not the other way round. The system, udev in
/// particular, sees nothing of it. Other virtual devices stay visible where the kernel has overlayfs.
/// Call from a process with one thread.
/// Errors, in sentences: no share at its target, no privilege, mounts that the kernel refuses.
Result<void> enter_private_view(const GuestShare& share, const LoadModule& load = modprobe);

}  // namespace vpowercap
