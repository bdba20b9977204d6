// SPDX-License-Identifier: Apache-2.0
// Makes one chosen system call on the files of a directory go wrong; what is not below the directory is
// left alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/faults/next_fault.hpp"

namespace vpowercap::testing {

struct Fault {
  const FaultKind* kind = nullptr;  ///< nullptr: nothing goes wrong
  std::uint64_t nth = 0;            ///< the call that does, counted from 0
  /// 0: that call alone. Else every such call on the same file, within so many ticks.
  std::uint64_t ticks = 0;
};

/// From now on calls below `root` are counted, and go wrong as `fault` says.
void arm_faults(const std::string& root, const Fault& fault);
/// A tick has passed.
void pass_tick();
/// Ends it. Returns the calls that were made.
std::vector<Call> disarm_faults();
/// How many calls went wrong since arm_faults(), and the file of the first.
std::uint64_t faults_made();
const std::string& faulty_file();

}  // namespace vpowercap::testing
