// SPDX-License-Identifier: Apache-2.0
// What the agent knows at one instant: the input of every formatter.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/ledger/records.hpp"
#include "common/powercap/tree.hpp"
#include "common/units/microjoules.hpp"

namespace vpowercap {

/// One zone that could be read.
struct ZoneReading {
  ZoneInfo info;
  Microjoules total;                      ///< wraps removed; equal to energy_uj at the first reading
  std::optional<std::uint64_t> power_uw;  ///< mean since the previous reading; none at the first one
};

/// All zones at one instant. A zone that could not be read is absent.
struct ZoneReadings {
  std::vector<ZoneReading> zones;
  std::map<std::string, std::uint64_t> read_errors;  ///< by zone: readings missed since the start
  std::map<std::string, std::uint64_t> gaps;         ///< by zone: jumps that were not counted
  std::vector<Error> problems;                       ///< what is wrong now, one sentence each
};

/// The ledger at one instant. Where it is stale, host and vms are empty.
struct LedgerSnapshot {
  std::string path;
  Nanoseconds age{};   ///< since the writer's last sign of life
  Nanoseconds tick{};  ///< sampling period
  bool stale = false;
  std::optional<HostRecord> host;
  std::vector<VmRecord> vms;
};

struct Snapshot {
  std::chrono::system_clock::time_point time;
  ZoneReadings readings;
  std::optional<LedgerSnapshot> ledger;
};

}  // namespace vpowercap
