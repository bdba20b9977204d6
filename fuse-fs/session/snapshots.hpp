// SPDX-License-Identifier: Apache-2.0
// What each open file last showed from its start, for readers that take it in pieces.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

namespace vpowercap {

/// As in sysfs, a file's content is made when it is read at offset 0, and a read further on goes on in
/// that content (kernel: fs/seq_file.c, fs/kernfs/file.c). A counter that grows a digit between two
/// such reads would otherwise show its reader a number that never was.
///
/// A table of fixed size: a handle's number chooses a few places, of which it takes the one that was
/// not used for longest. So a handle is forgotten only when thousands of others were read meanwhile;
/// its reader then goes on in the value of the moment. Nothing is freed when a file is closed.
/// Thread-safe. A process killed between any two instructions does no harm, so that the table may lie
/// in memory that a successor inherits; one process at a time.
class Snapshots {
 public:
  static constexpr std::size_t sets = 1365;
  static constexpr std::size_t places_in_set = 8;
  using Words = std::span<std::uint64_t, 32768>;

  /// `words` are zeroes or what a predecessor left, and must outlive this. Handles are numbered from
  /// `first` on: a time in ns, say, lest a successor gives out its predecessor's.
  Snapshots(Words words, std::uint64_t first);

  /// A number for a file that is opened; never 0.
  std::uint64_t new_handle() { return next_.fetch_add(1, std::memory_order_relaxed); }
  void keep(std::uint64_t handle, std::uint64_t value);
  /// What was kept last, unless it is forgotten.
  [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t handle) const;

 private:
  /// A handle's value. Value and mark from two writes make no handle.
  struct Place {
    std::uint64_t value;
    std::uint64_t mark;     ///< value xor handle
    std::uint64_t used_ns;  ///< CLOCK_MONOTONIC

    [[nodiscard]] bool is_of(std::uint64_t handle) const { return (mark ^ value) == handle; }
  };
  static_assert(sets * places_in_set * sizeof(Place) <= Words::extent * sizeof(std::uint64_t));
  [[nodiscard]] std::span<Place, places_in_set> set_of(std::uint64_t handle) const;

  std::atomic<std::uint64_t> next_;
  Words words_;
  mutable std::mutex mutex_;  ///< over the places
};

}  // namespace vpowercap
