// SPDX-License-Identifier: Apache-2.0
// Who made the CPUs: their RAPL counters differ.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/result.hpp"

namespace vpowercap {

/// `amd` stands for Hygon too. `other` is what is not known: read as Intel's layout.
enum class CpuVendor : std::uint8_t { intel, amd, other };

/// The first vendor_id of `cpuinfo` below `proc_root`; `other` when there is none. Errors: those of a
/// file that is there and cannot be read, naming it: AMD's zones must not be taken for Intel's.
Result<CpuVendor> read_cpu_vendor(const std::string& proc_root);

}  // namespace vpowercap
