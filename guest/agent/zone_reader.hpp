// SPDX-License-Identifier: Apache-2.0
// Reads every zone of a powercap tree again and again, and finds them again when they were lost.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "guest/agent/snapshot.hpp"
#include "guest/agent/zone_total.hpp"

namespace vpowercap {

/// The zones below one powercap directory with their descriptors kept open. Not thread-safe.
class ZoneReader {
 public:
  using Scan = std::function<PowercapScan(const std::string& path)>;

  explicit ZoneReader(std::string path, Scan scan = scan_powercap);

  [[nodiscard]] const std::string& path() const { return path_; }

  /// Reads all zones at `now` (monotonic). Looks for zones again when there are none, when one is
  /// missing, when a descriptor is dead (module unloaded, share lost and remounted), and every 10 s
  /// for those that were added.
  ZoneReadings read(Nanoseconds now);

 private:
  struct Pass {
    std::map<std::string, std::uint64_t> raw;  // by zone id
    std::vector<Error> failures;
    bool dead_descriptor = false;
  };
  void rescan(Nanoseconds now);
  [[nodiscard]] Pass read_raw() const;
  void count_missing(const Pass& pass);

  std::string path_;
  Scan scan_function_;
  PowercapScan scan_;
  Nanoseconds scanned_at_{};
  bool scan_needed_ = true;
  std::map<std::string, ZoneTotal> totals_;  // every zone ever read
  std::map<std::string, std::uint64_t> read_errors_;
  std::map<std::string, std::uint64_t> gaps_;
};

/// One sentence for a person whose machine shows no zone at all: what is missing below `path` and what
/// to do about it.
std::string explain_no_zones(const std::string& path, const std::vector<Error>& problems);

}  // namespace vpowercap
