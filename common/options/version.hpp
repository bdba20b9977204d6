// SPDX-License-Identifier: Apache-2.0
// The version every program prints.
#pragma once

namespace vpowercap {

inline constexpr const char* version = VPOWERCAP_VERSION;

}  // namespace vpowercap
