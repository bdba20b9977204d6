// SPDX-License-Identifier: Apache-2.0
// The Prometheus endpoint: reads when it is scraped, at most once a second.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "guest/agent/agent.hpp"

namespace vpowercap {

/// "HOST:PORT", "[IPV6]:PORT", ":PORT" (every address) in the form the HTTP server wants. PORT 0 lets
/// the system choose. Throws UsageError naming --listen for anything else.
std::string listening_port(const std::string& listen);

/// Serves /metrics from threads of its own while it lives.
class Exporter {
 public:
  /// Called with each snapshot that was taken for a scrape, one at a time.
  using Observer = std::function<void(const Snapshot&)>;

  /// `agent` and its `clock` must outlive the exporter, the agent be used by nobody else meanwhile.
  /// Throws UsageError for a malformed `listen`, std::runtime_error when it cannot be listened on.
  Exporter(Agent& agent, const Clock& clock, const std::string& listen, Observer observer);
  ~Exporter();

  /// The port that is served.
  [[nodiscard]] std::uint16_t port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vpowercap
