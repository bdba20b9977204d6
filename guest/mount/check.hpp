// SPDX-License-Identifier: Apache-2.0
// Looks at a guest's powercap tree as an agent would, and says what is wrong with it.
#pragma once

#include <functional>
#include <string>

#include "common/base/clock.hpp"
#include "guest/mount/share.hpp"

namespace vpowercap {

/// One thing that was looked at.
struct Finding {
  bool ok = false;
  std::string subject;   ///< "mount", "zones", "range", "energy", "moves", "descriptor"
  std::string sentence;  ///< for a person; of a problem also what to do
};

/// Told of each finding.
using Report = std::function<void(const Finding&)>;

struct CheckOptions {
  GuestShare share;
  bool any_filesystem = false;                ///< do not ask for a virtiofs mount of the tag
  Nanoseconds wait{std::chrono::seconds(3)};  ///< how long counters may stand still
};

/// Looks at everything in turn and reports each finding as soon as it is known; takes up to
/// `options.wait`. Reads only. A read hangs where the VM's virtiofsd died: see check_within().
void check_share(const CheckOptions& options, const Report& report);

/// As check_share() and then `also`, in a process of its own, so that reads that never return end in a
/// finding instead of a process nobody can kill: that is reported `limit` after the start. Call from a
/// process with one thread.
void check_within(const CheckOptions& options, Nanoseconds limit, const Report& report,
                  const std::function<void(const Report&)>& also = {});

}  // namespace vpowercap
