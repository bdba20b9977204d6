// SPDX-License-Identifier: Apache-2.0
// The QEMU process of a domain, found by libvirt's PID file and checked.
#pragma once

#include <string>

#include "common/base/result.hpp"
#include "common/model/vm.hpp"

namespace vpowercap {

/// Sets the VM's pid and pid_start_ticks from `pid_dir`/NAME.pid, once the process below `proc_root`
/// carries this VM's UUID behind its `-uuid`, and its state to `running`.
/// Errors: EINVAL for a name that is no file name, ENOENT without a PID file, EPROTO for a malformed
/// one, ESRCH when the process is gone, ESTALE when it is another one.
Result<void> find_qemu_process(const std::string& pid_dir, const std::string& proc_root,
                               VmDescription& vm);

}  // namespace vpowercap
