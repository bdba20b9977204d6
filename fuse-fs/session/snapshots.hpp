// SPDX-License-Identifier: Apache-2.0
// What each open file last showed from its start, for readers that take it in pieces.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>

namespace vpowercap {

/// As in sysfs, a file's content is made when it is read at offset 0, and a read further on goes on in
/// that content (kernel: fs/seq_file.c, fs/kernfs/file.c). A counter that grows a digit between two
/// such reads would otherwise show its reader a number that never was.
///
/// A table of fixed size, without locks: a handle's place is its number modulo the size, so that a
/// handle is forgotten when that many others were read meanwhile; its reader then goes on in the value
/// of the moment. Nothing is freed when a file is closed. Thread-safe, and a writer killed between any
/// two instructions does no harm, so that the table may lie in memory that a successor inherits.
class Snapshots {
 public:
  static constexpr std::size_t size = 16384;
  using Words = std::span<std::uint64_t, 2 * size>;

  /// `words` are zeroes or what a predecessor left, and must outlive this. Handles are numbered from
  /// `first` on: a time in ns, say, lest a successor gives out its predecessor's.
  Snapshots(Words words, std::uint64_t first);

  /// A number for a file that is opened; never 0.
  std::uint64_t new_handle() { return next_.fetch_add(1, std::memory_order_relaxed); }
  void keep(std::uint64_t handle, std::uint64_t value);
  /// What was kept last, unless it is forgotten.
  [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t handle) const;

 private:
  std::atomic<std::uint64_t> next_;
  /// Of each place first the value, then value xor handle: two halves from different writes make no
  /// handle.
  Words words_;
};

}  // namespace vpowercap
