// SPDX-License-Identifier: Apache-2.0
// Readings as lines of text, for tests to compare.
#pragma once

#include <string>
#include <vector>

#include "host/rapl/energy_source.hpp"

namespace vpowercap::testing {

/// "id name package domain raw" of every reading; "gap" for a raw value that is absent.
inline std::vector<std::string> lines(const std::vector<ZoneReading>& readings) {
  std::vector<std::string> all;
  for (const auto& reading : readings)
    all.push_back(reading.id + " " + reading.name + " " + std::to_string(reading.package) + " " +
                  std::string(to_string(reading.domain)) + " " +
                  (reading.raw_uj ? std::to_string(*reading.raw_uj) : "gap"));
  return all;
}

inline std::vector<std::string> messages(const std::vector<Error>& problems) {
  std::vector<std::string> all;
  for (const auto& problem : problems) all.push_back(problem.message);
  return all;
}

}  // namespace vpowercap::testing
