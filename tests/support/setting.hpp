// SPDX-License-Identifier: Apache-2.0
// Numbers that the environment may set: how long a test is.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace vpowercap::testing {

inline std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace vpowercap::testing
