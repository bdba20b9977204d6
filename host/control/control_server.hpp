// SPDX-License-Identifier: Apache-2.0
// The daemon's Unix socket: messages of the hook, questions of the command line.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/result.hpp"
#include "common/wire/frame.hpp"

namespace vpowercap {

/// A SOCK_SEQPACKET socket (mode 0660) that takes one frame per packet. Never blocks. Not thread-safe.
class ControlServer {
 public:
  struct Handlers {
    /// A hook message from root: fields phase, sub, uuid, name and, when it fits, xml. A hint, not a
    /// fact.
    std::function<void(const Frame&)> on_hook;
    /// Any other kind from a permitted peer ("import-state" from root only); the answer is sent back as
    /// one frame.
    std::function<Frame(const Frame&)> on_request;
    /// Malformed or refused messages (key: of which user), connections that cannot be accepted.
    std::function<void(const Error&)> on_problem;
  };

  /// Binds `path`, replacing a dead socket there. `group` owns it, when it exists. At most 64
  /// connections. Errors: EADDRINUSE when another daemon answers there; those of the file system.
  static Result<ControlServer> open(const std::string& path, const std::string& group,
                                    Handlers handlers);

  ControlServer(ControlServer&&) noexcept;
  ControlServer& operator=(ControlServer&&) noexcept;
  ~ControlServer();

  /// Readable when serve() has something to do.
  [[nodiscard]] int fd() const;
  /// Accepts and answers what is there, without waiting. To be called every few seconds, too: without
  /// any descriptor left, connections wait until there is one again.
  void serve();

 private:
  struct State;
  explicit ControlServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Sends one request frame to the daemon at `path` and waits at most two seconds for its answer.
/// Errors: ENOENT or ECONNREFUSED (no daemon), EACCES, ETIMEDOUT, EPROTO.
Result<Frame> control_request(const std::string& path, const Frame& request);

}  // namespace vpowercap
