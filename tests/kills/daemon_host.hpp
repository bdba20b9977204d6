// SPDX-License-Identifier: Apache-2.0
// A host for the real vpowercapd: a powercap tree, a hypervisor's list and processes that pass for
// QEMU.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/uuid.hpp"
#include "fuse-fs/mount/child.hpp"
#include "tests/kills/counting_tree.hpp"

namespace vpowercap::testing {

/// Everything is below one directory; VMs are real processes.
class DaemonHost {
 public:
  /// `qemu` is the program of the VMs' processes.
  DaemonHost(std::string directory, std::string qemu);

  /// Starts a VM's process and puts the VM on the list that the next daemon to start will read.
  void start_vm(const Uuid& uuid);
  /// Ends its process and takes it off the list.
  void end_vm(const Uuid& uuid);

  /// The command line of a daemon of this host: `program` writes to `run_dir`.
  [[nodiscard]] std::vector<std::string> command(const std::string& program,
                                                 const std::string& run_dir) const;
  CountingTree& tree() { return *tree_; }
  [[nodiscard]] std::string sysfs_root() const { return directory_ + "/sys"; }
  /// CPU time that a VM's process has used; 0 when it is not there.
  [[nodiscard]] Nanoseconds cpu_time(const Uuid& uuid) const;

 private:
  void write_list() const;

  std::string directory_;
  std::string qemu_;
  std::unique_ptr<CountingTree> tree_;
  std::map<Uuid, std::unique_ptr<Child>> vms_;
};

}  // namespace vpowercap::testing
