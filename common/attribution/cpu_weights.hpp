// SPDX-License-Identifier: Apache-2.0
// How much a nanosecond of work on each CPU counts when a package's energy is divided.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "common/base/clock.hpp"

namespace vpowercap {

/// time: every nanosecond counts the same. smt: one beside a busy sibling counts less.
enum class PackageWeights : std::uint32_t { time = 0, smt = 1 };
std::string_view to_string(PackageWeights weights);
std::optional<PackageWeights> parse_package_weights(std::string_view text);

/// A weight of one, in parts per million.
inline constexpr std::uint32_t full_weight_ppm = 1'000'000;
/// What a busy hardware thread counts while its sibling is busy too. Two busy siblings draw about 1.1
/// times the power of one, so that each counts 1.1 / 2 (Zhai et al., "HaPPy: Hyperthread-aware power
/// profiling dynamically", USENIX ATC 2014).
inline constexpr std::uint32_t shared_core_weight_ppm = 550'000;

/// Per CPU: how long it was busy in the tick, and the other hardware threads of its core.
using CpuBusy = std::map<std::uint32_t, std::uint64_t>;
using CpuSiblings = std::map<std::uint32_t, std::vector<std::uint32_t>>;
/// Weight per CPU in parts per million; a CPU that is not in it has the full weight.
using CpuWeights = std::map<std::uint32_t, std::uint32_t>;

/// Weights of the CPUs in one tick of length `interval`. smt: 1 - 0.45 * p, p being the part of the
/// tick in which any sibling was busy, siblings taken as independent of one another. time: none, all
/// full. What is not known, the busy time or the interval, counts as an idle sibling. Pure.
CpuWeights cpu_weights(PackageWeights weights, const CpuBusy& busy_ns, const CpuSiblings& siblings,
                       Nanoseconds interval);

/// `work_ns` on a CPU, times its weight, rounded down; never more than `work_ns`.
std::uint64_t weighed(std::uint64_t work_ns, std::uint32_t cpu, const CpuWeights& weights);

}  // namespace vpowercap
