// SPDX-License-Identifier: Apache-2.0
// The table of snapshots.
#include "fuse-fs/session/snapshots.hpp"

#include <algorithm>

namespace vpowercap {

Snapshots::Snapshots(Words words, std::uint64_t first)
    : next_(std::max<std::uint64_t>(first, 1)), words_(words) {}

void Snapshots::keep(std::uint64_t handle, std::uint64_t value) {
  const auto place = handle % size * 2;
  std::atomic_ref(words_[place]).store(value, std::memory_order_relaxed);
  std::atomic_ref(words_[place + 1]).store(value ^ handle, std::memory_order_relaxed);
}

std::optional<std::uint64_t> Snapshots::find(std::uint64_t handle) const {
  const auto place = handle % size * 2;
  const auto value = std::atomic_ref(words_[place]).load(std::memory_order_relaxed);
  const auto mark = std::atomic_ref(words_[place + 1]).load(std::memory_order_relaxed);
  return (mark ^ value) == handle ? std::optional(value) : std::nullopt;
}

}  // namespace vpowercap
