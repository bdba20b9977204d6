// SPDX-License-Identifier: Apache-2.0
// Damage to a file's bytes, of every kind that a full or failing store leaves.
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace vpowercap::testing {

/// Bytes and what was done to them.
struct Damaged {
  std::string bytes;
  std::string how;  ///< for messages: "zeroed 512 bytes at 4096"
};

/// `bytes` cut off, with bits flipped, with a stretch of zeroes or of other bytes, with more behind, of
/// another version, or cut off and of the old length again. The result may by chance be what it was.
Damaged damage(std::string bytes, std::mt19937_64& random);

}  // namespace vpowercap::testing
