// SPDX-License-Identifier: Apache-2.0
// The kernel's own limits on how long a FUSE server may take.
#pragma once

#include <string>

namespace vpowercap {

/// Which of fs.fuse.default_request_timeout and max_request_timeout (since Linux 6.15) are set, and
/// what to do: one that is ends the whole connection, for good, when a server is away for longer. ""
/// when none is.
std::string request_timeout_trouble(const std::string& proc_root = "/proc");

}  // namespace vpowercap
