// SPDX-License-Identifier: Apache-2.0
// Takes snapshots of a powercap tree and a ledger.
#pragma once

#include <optional>
#include <string>

#include "guest/agent/ledger_view.hpp"
#include "guest/agent/zone_reader.hpp"

namespace vpowercap {

/// Not thread-safe: callers lock.
class Agent {
 public:
  /// `clock` must outlive the agent and run with CLOCK_MONOTONIC where a ledger is read.
  Agent(const std::string& powercap_root, const std::string& ledger_path, const Clock& clock)
      : zones_(powercap_root), ledger_(ledger_path), clock_(clock) {}

  /// Reads everything now. A ledger that is not there is no problem; one that cannot be used is.
  Snapshot take();

  /// For a ledger that was asked for by name: throws std::runtime_error when it cannot be used.
  void require_ledger();

  [[nodiscard]] const std::string& powercap_root() const { return zones_.path(); }

 private:
  ZoneReader zones_;
  LedgerView ledger_;
  const Clock& clock_;
};

}  // namespace vpowercap
