// SPDX-License-Identifier: Apache-2.0
// The directories that virtiofs carries into guests: plain, read-only, one per VM, ready before
// anything else runs.
#pragma once

#include <span>
#include <string>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/base/uuid.hpp"

namespace vpowercap {

/// Paths below the run directory (default /run/vpowercap).
struct RunPaths {
  std::string run_dir = "/run/vpowercap";

  [[nodiscard]] std::string ledger() const { return run_dir + "/ledger"; }
  [[nodiscard]] std::string control() const { return run_dir + "/control"; }
  [[nodiscard]] std::string fs() const { return run_dir + "/fs"; }              ///< the FUSE mount
  [[nodiscard]] std::string share() const { return run_dir + "/share"; }        ///< read-only view
  [[nodiscard]] std::string share_rw() const { return run_dir + "/share.rw"; }  ///< where we write
  /// What a VM's <filesystem> names as its source.
  [[nodiscard]] std::string source(const Uuid& uuid) const { return share() + "/" + uuid.to_string(); }
};

/// Makes the base of all shares: a small tmpfs with shared propagation on share.rw, and its read-only
/// bind on share. Does nothing where both are there; safe against a second caller at the same time.
/// Needs CAP_SYS_ADMIN. Never touches the FUSE mount. Errors name the path and the step.
Result<void> prepare_share_base(const RunPaths& paths);

/// Makes the VM's plain directory with the empty mount point `intel-rapl` in it; nothing when there.
/// Marks it as used just now, so that remove_vm_share() leaves it alone for a while.
/// Never waits for anything: no lock, no FUSE request. Errors: ENOENT where prepare_share_base() has
/// not run.
Result<void> make_vm_share(const RunPaths& paths, const Uuid& uuid);

/// A link beside `intel-rapl` in a VM's directory: "intel-rapl:0" -> "intel-rapl/intel-rapl:0".
struct FlatLink {
  std::string name;
  std::string target;
  bool operator==(const FlatLink&) const = default;
};

/// Makes the links in the VM's directory exactly these: each is replaced in one step, links of other
/// names are removed. Writes nothing when they are right already.
Result<void> link_vm_zones(const RunPaths& paths, const Uuid& uuid, std::span<const FlatLink> links);

/// Removes the VM's directory, unless make_vm_share() was called for it within `unused_for` (a VM
/// may be starting). Whatever was mounted on `intel-rapl` must have been unmounted. Returns whether the
/// directory is gone.
Result<bool> remove_vm_share(const RunPaths& paths, const Uuid& uuid, Nanoseconds unused_for);

}  // namespace vpowercap
