// SPDX-License-Identifier: Apache-2.0
// Die zones that all show their package's one counter.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "host/rapl/energy_source.hpp"

namespace vpowercap {

/// On AMD's processors the energy counter is the package's, but many kernels (5.x to 6.11) show it once
/// for each die, as package-N-die-M. Adding these zones up would multiply the energy, so all but the
/// one of the lowest die are left out as long as their values agree at every reading. A zone whose
/// first value is another, or whose values part for several readings on end, is a counter of its own
/// and stays. One that is shown by several dies counts for the whole package. Not thread-safe.
class MirrorFilter {
 public:
  /// Takes mirrors out of one sample of all zones.
  void apply(std::vector<ZoneReading>& readings);
  /// Changes of opinion since the last call, each naming its zones.
  [[nodiscard]] std::vector<Error> take_problems();

  /// So many readings on end that say otherwise change the opinion on a zone.
  static constexpr int needed = 5;
  /// Counters that differ by no more, beyond what is drawn between the two reads, are the same.
  static constexpr std::uint64_t noise_uj = 5'000'000;

 private:
  struct Opinion {
    bool is_mirror = true;
    int contrary = 0;                 ///< readings on end that say otherwise
    std::uint64_t leader_raw_uj = 0;  ///< at the last comparison
  };
  [[nodiscard]] bool is_mirror(const ZoneReading& zone, const ZoneReading& leader);

  std::map<std::string, Opinion> opinions_;  ///< by zone id
  std::vector<Error> problems_;
};

}  // namespace vpowercap
