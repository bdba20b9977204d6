// SPDX-License-Identifier: Apache-2.0
// What docs/agents.md says of each agent, for a tenant at a terminal.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "guest/mount/check.hpp"

namespace vpowercap {

/// A row of the document's table.
struct KnownAgent {
  std::string_view name, version, reads, verdict, reason;
};

/// How an agent is pointed at a share that is not where it looks.
struct OtherPlace {
  std::string_view agent, how;
};

/// Generated from docs/agents.md when the program is built.
std::span<const KnownAgent> known_agents();
std::span<const OtherPlace> other_places();

/// The rows whose name has `word` in it, whatever the case.
std::vector<KnownAgent> find_agents(std::string_view word);

/// Reports for each of `agents` whether it works with the share as it is mounted now, and what to do if
/// not: subject "agent".
void advise(std::span<const KnownAgent> agents, const GuestShare& share, const Report& report);

}  // namespace vpowercap
