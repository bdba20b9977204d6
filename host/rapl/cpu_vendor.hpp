// SPDX-License-Identifier: Apache-2.0
// Who made the CPUs: their RAPL counters differ.
#pragma once

#include <cstdint>
#include <string>

namespace vpowercap {

/// `amd` stands for Hygon too. `other` is what is not known: read as Intel's layout.
enum class CpuVendor : std::uint8_t { intel, amd, other };

/// The first vendor_id of `cpuinfo` below `proc_root`; `other` when there is none to be read.
CpuVendor read_cpu_vendor(const std::string& proc_root);

}  // namespace vpowercap
