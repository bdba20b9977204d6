// SPDX-License-Identifier: Apache-2.0
// Faults at random in a daemon, ordered and counted through a page that it shares with its test.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "tests/faults/next_fault.hpp"

namespace vpowercap::testing {

/// The page is a file; the daemon finds its name in the environment.
inline constexpr auto fault_page_variable = "VPOWERCAP_FAULT_PAGE";

/// What is in it. Zeroes: nothing goes wrong.
struct FaultPage {
  std::atomic<std::uint64_t> per_million;  ///< calls that go wrong, of a million
  std::uint64_t seed;
  std::atomic<std::uint64_t> calls;  ///< made while per_million was not 0
  std::array<std::atomic<std::uint64_t>, std::size(fault_kinds)> made;
  /// Calls go wrong below this directory, and below /proc but not for what tells of the daemon itself.
  std::array<char, 1024> sysfs_root;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// Maps the page at `path` and makes it if it is not there. Never unmapped. nullptr: errno says why.
FaultPage* map_fault_page(const char* path);

}  // namespace vpowercap::testing
