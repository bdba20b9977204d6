// SPDX-License-Identifier: Apache-2.0
// Follows libvirt: which VMs run, in which process.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.hpp"
#include "common/model/vm.hpp"

namespace vpowercap {

struct LibvirtWatchOptions {
  std::string uri = "qemu:///system";
  std::string pid_dir = "/run/libvirt/qemu";  ///< where libvirt writes NAME.pid
  std::string proc_root = "/proc";
  VmSettings defaults;
};

/// Keeps a read-only connection to libvirt in a thread of its own; connects again with back-off.
class LibvirtWatch {
 public:
  struct Callbacks {
    /// All running VMs, with PID and start time; after each change and at least every ten seconds.
    /// Called on the watch's thread. Not called while libvirt cannot be reached: nothing is known then.
    std::function<void(std::vector<VmDescription>)> on_vms;
    /// State of the connection and oddities of single VMs, each a line for the log.
    std::function<void(const Error&)> on_problem;
    std::function<void(std::string)> on_info;
  };

  LibvirtWatch(LibvirtWatchOptions options, Callbacks callbacks);
  ~LibvirtWatch();  ///< ends the thread
  LibvirtWatch(const LibvirtWatch&) = delete;
  LibvirtWatch& operator=(const LibvirtWatch&) = delete;

  /// Asks for a fresh list soon, e.g. after a hook message. Thread-safe, does not wait.
  void refresh();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vpowercap
