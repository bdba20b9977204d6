// SPDX-License-Identifier: Apache-2.0
// Binding trees, and asking the server whether it answers, without waiting for it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "common/base/unique_fd.hpp"
#include "common/base/uuid.hpp"
#include "common/share/share.hpp"
#include "fuse-fs/mount/child.hpp"

namespace vpowercap {

/// Works in a child process, because looking up a tree asks the server: one that hangs holds up the
/// child, which then cannot even be killed, and nobody else. Not thread-safe.
class Binder {
 public:
  /// So few that a server under load is done with all of them long before it counts as hung.
  static constexpr std::size_t most = 32;

  /// Asks the server a question that the kernel does not answer itself, then binds the trees of at
  /// most `most` VMs. Requires !running().
  Result<void> start(const RunPaths& paths, std::span<const Uuid> uuids, Nanoseconds now);

  [[nodiscard]] bool running() const { return child_.running(); }
  [[nodiscard]] Nanoseconds started() const { return child_.started(); }
  /// Once it has ended: what went wrong first, "" if nothing. Does not wait.
  std::optional<std::string> reap();
  /// See Child::end().
  bool end(Nanoseconds patience) { return child_.end(patience); }

 private:
  Child child_;
  UniqueFd words_;  ///< from the child
};

}  // namespace vpowercap
