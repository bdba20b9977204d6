// SPDX-License-Identifier: Apache-2.0
// Taking snapshots.
#include "guest/agent/agent.hpp"

#include <unistd.h>

#include <stdexcept>

namespace vpowercap {

Snapshot Agent::take() {
  Snapshot snapshot;
  snapshot.time = std::chrono::system_clock::now();
  snapshot.readings = zones_.read(clock_.now());
  auto ledger = ledger_.read(clock_.now());
  if (ledger) snapshot.ledger = std::move(*ledger);
  else if (ledger.error().code != ENOENT) snapshot.readings.problems.push_back(ledger.error());
  // A host without RAPL whose daemon models its energy: no tree is what is to be expected there.
  auto& readings = snapshot.readings;
  if (snapshot.ledger && readings.read_errors.empty() && ::access(zones_.path().c_str(), F_OK) != 0)
    std::erase_if(readings.problems, [](const Error& problem) { return problem.code == ENOENT; });
  return snapshot;
}

void Agent::require_ledger() {
  if (auto ledger = ledger_.read(clock_.now()); !ledger)
    throw std::runtime_error("--ledger: " + ledger.error().message);
}

}  // namespace vpowercap
