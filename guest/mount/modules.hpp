// SPDX-License-Identifier: Apache-2.0
// Kernel modules that a mount needs.
#pragma once

#include <functional>
#include <string>

namespace vpowercap {

/// Loads a kernel module by name, or does nothing where that is not possible.
using LoadModule = std::function<void(const std::string& name)>;

/// Runs modprobe quietly and waits for it.
void modprobe(const std::string& name);

}  // namespace vpowercap
