// SPDX-License-Identifier: Apache-2.0
// A powercap class directory of a test's own making.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/temp_dir.hpp"

namespace vpowercap::testing {

/// Writes the files of one zone below `dir`; `id` is its path there, such as "intel-rapl:0:1".
inline void write_zone(const TempDir& dir, const std::string& id, const std::string& name,
                       std::uint64_t energy_uj, std::uint64_t range_uj = 262143328850) {
  dir.write(id + "/name", name + "\n");
  dir.write(id + "/energy_uj", std::to_string(energy_uj) + "\n");
  dir.write(id + "/max_energy_range_uj", std::to_string(range_uj) + "\n");
}

}  // namespace vpowercap::testing
