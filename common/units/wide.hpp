// SPDX-License-Identifier: Apache-2.0
// The 128-bit integer for products of energies, times and weights.
#pragma once

namespace vpowercap {

__extension__ using Wide = unsigned __int128;

}  // namespace vpowercap
