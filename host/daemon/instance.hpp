// SPDX-License-Identifier: Apache-2.0
// The running daemon.
#pragma once

#include <memory>
#include <optional>

#include "host/control/control_server.hpp"
#include "host/daemon/config.hpp"
#include "host/daemon/problem_log.hpp"
#include "host/daemon/sampler_thread.hpp"
#include "host/hypervisor/libvirt_watch.hpp"
#include "host/sampler/idle_file.hpp"

namespace vpowercap {

/// Everything the daemon is made of; the order of members is the reverse of the order of shutdown.
class Instance {
 public:
  /// Throws std::runtime_error naming what cannot be opened.
  Instance(DaemonConfig config, int argc, const char* const* argv);

  /// Serves until SIGTERM or SIGINT, which must be blocked along with SIGHUP. Returns the exit code.
  int run();

 private:
  /// What will follow libvirt; nothing when the configuration wants none. Throws std::system_error.
  std::unique_ptr<LibvirtWatch> make_watch(const DaemonConfig& config);
  void start_watch(std::unique_ptr<LibvirtWatch> watch);
  /// What an earlier daemon learned of idle power; nothing when there is no such file or it is broken.
  IdleLearner::Memory load_idle();
  void save_idle();
  void reload();
  void on_hook(const Frame& frame);
  Frame on_request(const Frame& frame);

  SystemClock clock_;
  DaemonConfig config_;
  int argc_;
  const char* const* argv_;
  UniqueFd signals_;
  std::optional<IdleFile> idle_file_;
  Nanoseconds idle_saved_{0};
  bool idle_trouble_ = false;
  // One each: what floods one of them silences no other.
  ProblemLog problems_of_sampler_;
  ProblemLog problems_of_vms_;
  ProblemLog problems_of_hook_;
  ProblemLog problems_of_control_;
  std::unique_ptr<SamplerThread> sampler_;
  std::unique_ptr<LibvirtWatch> watch_;
  std::unique_ptr<ControlServer> control_;
};

/// The body of main().
int run_daemon(int argc, const char* const* argv);

}  // namespace vpowercap
