// SPDX-License-Identifier: Apache-2.0
// What each open file last showed from its start, for readers that take it in pieces.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

namespace vpowercap {

/// As in sysfs, a file's content is made when it is read at offset 0, and a read further on goes on in
/// that content (kernel: fs/seq_file.c, fs/kernfs/file.c). A counter that grows a digit between two
/// such reads would otherwise show its reader a number that never was.
///
/// A table of fixed size, without locks: a handle's place is its number modulo the size, so that a
/// handle is forgotten when that many others were read meanwhile; its reader then goes on in the value
/// of the moment. Nothing is freed when a file is closed. Thread-safe; each word can be cut off at any
/// instruction without harm, so that the table may lie in memory that a successor inherits.
class Snapshots {
 public:
  /// Handles are numbered from `first` on: a time in ns, say, lest a successor gives out its
  /// predecessor's.
  explicit Snapshots(std::uint64_t first);

  /// A number for a file that is opened; never 0.
  std::uint64_t new_handle() { return next_.fetch_add(1, std::memory_order_relaxed); }
  void keep(std::uint64_t handle, std::uint64_t value);
  /// What was kept last, unless it is forgotten.
  [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t handle) const;

  static constexpr std::size_t size = 16384;

 private:
  /// `mark` is value xor handle: of two halves from different writes, no handle is made.
  struct Entry {
    std::atomic<std::uint64_t> value = 0, mark = 0;
  };
  std::atomic<std::uint64_t> next_;
  std::unique_ptr<std::array<Entry, size>> entries_;
};

}  // namespace vpowercap
