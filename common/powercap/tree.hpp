// SPDX-License-Identifier: Apache-2.0
// A powercap tree: /sys/class/powercap on a host or in a guest, read as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/model/energy_domain.hpp"

namespace vpowercap {

/// What is fixed about a zone.
struct ZoneInfo {
  std::string id;            ///< "intel-rapl:0:1", the zone's directory
  std::string control_type;  ///< "intel-rapl", "intel-rapl-mmio"
  std::string name;          ///< content of `name` without newline, e.g. "dram"
  EnergyDomain domain = EnergyDomain::package;
  std::uint32_t package = 0;  ///< the N of package-N; for a sub-zone, its parent's
  std::uint64_t max_energy_range_uj = 0;
  std::optional<std::uint32_t> die;  ///< the M of package-N-die-M; for a sub-zone, its parent's
  /// What the zone is built for (constraint_0_max_power_uw, the thermal design power); 0 when the
  /// kernel does not say: AMD, core, uncore. Advice only: a malformed file counts as absent.
  std::uint64_t max_power_uw = 0;
};

/// One zone with its `energy_uj` kept open. Move-only; not thread-safe.
class PowercapZone {
 public:
  /// `energy` is the opened file at `energy_path`; the path serves messages only.
  PowercapZone(ZoneInfo info, std::string energy_path, UniqueFd energy)
      : info_(std::move(info)), energy_path_(std::move(energy_path)), energy_(std::move(energy)) {}

  [[nodiscard]] const ZoneInfo& info() const { return info_; }
  /// The counter now, in microjoules, 0 to max_energy_range_uj. Errors name the file: those of the
  /// read, EINVAL and ERANGE for content that is no counter value. A number without newline is none:
  /// the kernel always writes one, so what lacks it is torn or not the kernel's.
  [[nodiscard]] Result<std::uint64_t> read_energy() const;

 private:
  ZoneInfo info_;
  std::string energy_path_;
  UniqueFd energy_;
};

/// Why a zone cannot be used, naming the file.
struct ZoneProblem : Error {
  std::string id;  ///< the zone's directory; empty when the class directory itself is the trouble
};

/// What a scan found: usable zones, and one problem for each zone that is not.
struct PowercapScan {
  std::vector<PowercapZone> zones;
  std::vector<ZoneProblem> problems;
};

/// Finds all zones below the powercap class directory `path` (flat entries `<type>:<i>[:<j>]`, links
/// or directories), in the order of their ids as numbers (the kernel prints them in hexadecimal).
/// A zone without energy_uj (dtpm, arm-scmi) or with a name that is none of RAPL's is left out with a
/// problem; so is one with any malformed file. A missing `path` is one problem with ENOENT.
PowercapScan scan_powercap(const std::string& path);

}  // namespace vpowercap
