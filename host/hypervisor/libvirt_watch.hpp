// SPDX-License-Identifier: Apache-2.0
// Follows libvirt: which VMs run, in which process.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/model/vm.hpp"

namespace vpowercap {

struct LibvirtWatchOptions {
  std::string uri = "qemu:///system";
  std::string pid_dir = "/run/libvirt/qemu";  ///< where libvirt writes NAME.pid
  std::string proc_root = "/proc";
  VmSettings defaults;
  Nanoseconds patience{std::chrono::seconds(30)};  ///< how long libvirt may take for an answer
};

/// Keeps a read-only connection to libvirt in a thread of its own; connects again with back-off.
/// One that is started per process at a time: its thread runs libvirt's default event loop.
class LibvirtWatch {
 public:
  struct Callbacks {
    /// All running VMs, with PID and start time; after each change, and ten seconds after the last
    /// list. A VM whose QEMU is about to start has PID 0 and the state `starting`. Called on the
    /// watch's thread, none after the destructor. Not called while libvirt cannot be reached: nothing
    /// is known then.
    std::function<void(std::vector<VmDescription>)> on_vms;
    /// What is wrong with the connection (no key) or odd about a VM (key: its UUID), each a line for
    /// the log. By check() on its caller's thread, else on the watch's.
    std::function<void(const Error&)> on_problem;
    std::function<void(std::string)> on_info;
  };

  /// Has all that it needs, and waits for start(). Throws std::system_error when it cannot.
  LibvirtWatch(LibvirtWatchOptions options, Callbacks callbacks);
  ~LibvirtWatch();  ///< ends the thread; leaves it behind after 2 s within a hung libvirtd
  LibvirtWatch(const LibvirtWatch&) = delete;
  LibvirtWatch& operator=(const LibvirtWatch&) = delete;

  /// Begins to follow libvirt.
  void start();
  /// To be called every few seconds: libvirt's client waits for a hung libvirtd without a word, this
  /// says so.
  void check();
  /// Asks for a fresh list soon, e.g. after a hook message. Thread-safe, does not wait.
  void refresh();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  ///< shared with the thread
};

}  // namespace vpowercap
