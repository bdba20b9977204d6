// SPDX-License-Identifier: Apache-2.0
// How good a number is: what its idle power and its shares are founded on.
#pragma once

#include <cstdint>
#include <string_view>

namespace vpowercap {

/// Where the idle power of a zone comes from. none: nothing is known, all energy is dynamic.
enum class IdleMethod : std::uint32_t { none = 0, configured = 1, learned = 2 };
std::string_view to_string(IdleMethod method);

/// How far a learned idle power can be trusted. low: from few ticks or extrapolated.
enum class IdleConfidence : std::uint32_t { none = 0, low = 1, good = 2 };
std::string_view to_string(IdleConfidence confidence);

/// What the dynamic energy of a domain is divided by: CPU time, or bytes moved to and from memory.
enum class DynamicBasis : std::uint32_t { work = 0, bandwidth = 1 };
std::string_view to_string(DynamicBasis basis);

}  // namespace vpowercap
