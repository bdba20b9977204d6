// SPDX-License-Identifier: Apache-2.0
// The ledger's checksum: bytes that a writer did not put there are not taken for a value.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vpowercap {

/// Takes one more word into a checksum. Each step is a permutation of the 2^64 values, so that inputs
/// that differ in one word never have the same checksum; the rotation spreads the upper bits too, so
/// that two changes do not undo each other. No protection against who means to deceive.
constexpr std::uint64_t add_to_checksum(std::uint64_t sum, std::uint64_t word) {
  return std::rotl((sum ^ word) * 0x9e3779b97f4a7c15, 29);
}

/// Of `count` words at `data`, of any alignment, after one word that says what they belong to.
inline std::uint64_t checksum(std::uint64_t belongs_to, const void* data, std::size_t count) {
  std::uint64_t sum = add_to_checksum(0xcbf29ce484222325, belongs_to);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t word;
    std::memcpy(&word, static_cast<const unsigned char*>(data) + i * sizeof word, sizeof word);
    sum = add_to_checksum(sum, word);
  }
  return sum;
}

}  // namespace vpowercap
