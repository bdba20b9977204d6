// SPDX-License-Identifier: Apache-2.0
// Giving up everything the server does not need.
#pragma once

#include <string>

namespace vpowercap {

/// Becomes `user` with the one group that can read the ledger: `group` where it exists, else that of
/// the file `ledger`, else the own one. No capabilities, nor any to get, no new privileges. Started
/// without root it only does the last. Throws UsageError for an unknown user, std::system_error where
/// the kernel refuses.
void drop_privileges(const std::string& user, const std::string& group, const std::string& ledger);

/// Ends this process with its parent: a server whose helper is gone would keep a mount that nobody
/// tends. After drop_privileges(), which undoes it. Throws std::runtime_error when the parent is gone
/// already.
void end_with_parent(int parent);

}  // namespace vpowercap
