// SPDX-License-Identifier: Apache-2.0
// Kinds of damage.
#include "tests/damage/damage.hpp"

#include <algorithm>

namespace vpowercap::testing {
namespace {

std::string at(std::size_t place) { return " at " + std::to_string(place); }

Damaged cut(std::string bytes, std::size_t place) {
  bytes.resize(place);
  return {std::move(bytes), "cut off" + at(place)};
}

Damaged cut_and_filled(std::string bytes, std::size_t place) {
  const auto size = bytes.size();
  bytes.resize(place);
  bytes.resize(size, '\0');
  return {std::move(bytes), "all zeroes from" + at(place)};
}

Damaged flipped(std::string bytes, std::mt19937_64& random) {
  std::string how = "bits flipped";
  for (std::uint64_t count = 1 + random() % 4; count > 0; --count) {
    const auto place = random() % bytes.size();
    bytes[place] = static_cast<char>(bytes[place] ^ (1 << random() % 8));
    how += at(place);
  }
  return {std::move(bytes), how};
}

Damaged overwritten(std::string bytes, std::size_t place, bool with_zeroes, std::mt19937_64& random) {
  const auto length = std::min<std::size_t>(bytes.size() - place, 1 + random() % 8192);
  for (std::size_t i = place; i < place + length; ++i)
    bytes[i] = with_zeroes ? '\0' : static_cast<char>(random());
  return {std::move(bytes),
          std::to_string(length) + (with_zeroes ? " zeroes" : " other bytes") + at(place)};
}

/// Other numbers where the ledger has its version.
Damaged of_another_version(std::string bytes, std::mt19937_64& random) {
  for (std::size_t i = 8; i < std::min<std::size_t>(bytes.size(), 12); ++i)
    bytes[i] = static_cast<char>(random());
  return {std::move(bytes), "another version"};
}

Damaged extended(std::string bytes, std::mt19937_64& random) {
  const auto more = 1 + random() % 8192;
  for (std::size_t i = 0; i < more; ++i) bytes += static_cast<char>(random());
  return {std::move(bytes), std::to_string(more) + " bytes more"};
}

}  // namespace

Damaged damage(std::string bytes, std::mt19937_64& random) {
  const auto place = random() % bytes.size();
  switch (random() % 8) {
    case 0: return cut(std::move(bytes), place);
    case 1: return cut_and_filled(std::move(bytes), place);
    case 2: return overwritten(std::move(bytes), place, true, random);
    case 3: return overwritten(std::move(bytes), place, false, random);
    case 4: return extended(std::move(bytes), random);
    case 5: return of_another_version(std::move(bytes), random);
    default: return flipped(std::move(bytes), random);
  }
}

}  // namespace vpowercap::testing
