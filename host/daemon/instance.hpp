// SPDX-License-Identifier: Apache-2.0
// The running daemon.
#pragma once

#include <memory>

#include "host/control/control_server.hpp"
#include "host/daemon/config.hpp"
#include "host/daemon/sampler_thread.hpp"
#include "host/hypervisor/libvirt_watch.hpp"

namespace vpowercap {

/// Everything the daemon is made of; the order of members is the reverse of the order of shutdown.
class Instance {
 public:
  /// Throws std::runtime_error naming what cannot be opened.
  Instance(DaemonConfig config, int argc, const char* const* argv);

  /// Serves until SIGTERM or SIGINT, which must be blocked along with SIGHUP. Returns the exit code.
  int run();

 private:
  void start_watch();
  void reload();
  void on_hook(const Frame& frame);
  Frame on_request(const Frame& frame);

  SystemClock clock_;
  DaemonConfig config_;
  int argc_;
  const char* const* argv_;
  UniqueFd signals_;
  std::unique_ptr<SamplerThread> sampler_;
  std::unique_ptr<LibvirtWatch> watch_;
  std::unique_ptr<ControlServer> control_;
};

/// The body of main().
int run_daemon(int argc, const char* const* argv);

}  // namespace vpowercap
