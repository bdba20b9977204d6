// SPDX-License-Identifier: Apache-2.0
// The table of snapshots.
#include "fuse-fs/session/snapshots.hpp"

#include <algorithm>

#include "common/base/clock.hpp"

namespace vpowercap {
namespace {

/// In this order in memory, whenever the process is killed.
void store(std::uint64_t& word, std::uint64_t value) {
  std::atomic_ref(word).store(value, std::memory_order_release);
}

}  // namespace

Snapshots::Snapshots(Words words, std::uint64_t first)
    : next_(std::max<std::uint64_t>(first, 1)), words_(words) {}

std::span<Snapshots::Place, Snapshots::places_in_set> Snapshots::set_of(std::uint64_t handle) const {
  auto* const places = reinterpret_cast<Place*>(words_.data());
  return std::span<Place, places_in_set>(places + handle % sets * places_in_set, places_in_set);
}

void Snapshots::keep(std::uint64_t handle, std::uint64_t value) {
  const auto now = static_cast<std::uint64_t>(SystemClock().now().count());
  const auto used = [now](const Place& place) {  // what lies ahead is nothing that was written here
    return place.used_ns > now ? 0 : place.used_ns;
  };
  const std::lock_guard lock(mutex_);
  const auto set = set_of(handle);
  auto place = std::ranges::find_if(set, [&](const Place& one) { return one.is_of(handle); });
  if (place == set.end()) place = std::ranges::min_element(set, {}, used);
  store(place->value, value);
  store(place->mark, value ^ handle);
  store(place->used_ns, now);
}

std::optional<std::uint64_t> Snapshots::find(std::uint64_t handle) const {
  const std::lock_guard lock(mutex_);
  const auto set = set_of(handle);
  const auto place = std::ranges::find_if(set, [&](const Place& one) { return one.is_of(handle); });
  return place == set.end() ? std::nullopt : std::optional(place->value);
}

}  // namespace vpowercap
