// SPDX-License-Identifier: Apache-2.0
// The table of snapshots.
#include "fuse-fs/session/snapshots.hpp"

#include <algorithm>

namespace vpowercap {

Snapshots::Snapshots(std::uint64_t first)
    : next_(std::max<std::uint64_t>(first, 1)), entries_(std::make_unique<std::array<Entry, size>>()) {}

void Snapshots::keep(std::uint64_t handle, std::uint64_t value) {
  auto& entry = (*entries_)[handle % size];
  entry.value.store(value, std::memory_order_relaxed);
  entry.mark.store(value ^ handle, std::memory_order_relaxed);
}

std::optional<std::uint64_t> Snapshots::find(std::uint64_t handle) const {
  const auto& entry = (*entries_)[handle % size];
  const auto value = entry.value.load(std::memory_order_relaxed);
  if ((entry.mark.load(std::memory_order_relaxed) ^ value) != handle) return std::nullopt;
  return value;
}

}  // namespace vpowercap
