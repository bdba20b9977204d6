// SPDX-License-Identifier: Apache-2.0
// Which call of the daemon goes wrong.
#include "tests/faults/random_faults.hpp"

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <random>
#include <thread>

namespace vpowercap::testing {
namespace {

FaultPage* page() {
  static FaultPage* const mapped = [] {
    const char* path = std::getenv(fault_page_variable);
    return path == nullptr ? nullptr : map_fault_page(path);
  }();
  return mapped;
}

bool is_below(const std::string& path, const FaultPage& of) {
  if (path.starts_with(of.sysfs_root.data())) return true;
  return path.starts_with("/proc/") && !path.starts_with("/proc/self/") &&
         !path.starts_with("/proc/sys/");
}

}  // namespace

bool watches_calls() { return page() != nullptr && page()->per_million > 0; }

const FaultKind* next_fault(Call call, const std::string& path) {
  if (!watches_calls() || !is_below(path, *page())) return nullptr;
  thread_local std::mt19937_64 random(page()->seed ^
                                      std::hash<std::thread::id>()(std::this_thread::get_id()));
  ++page()->calls;
  if (random() % 1'000'000 >= page()->per_million) return nullptr;
  const auto kind = random() % std::size(fault_kinds);
  if (!can_go_wrong(call, fault_kinds[kind])) return nullptr;
  ++page()->made[kind];
  return &fault_kinds[kind];
}

}  // namespace vpowercap::testing
