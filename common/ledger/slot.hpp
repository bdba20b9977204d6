// SPDX-License-Identifier: Apache-2.0
// One slot of shared memory: two copies and a sequence, readable whatever happens to the writer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

namespace vpowercap {

/// Two copies of a T. Sequence s says that copy s % 2 is good; the writer fills the other one and
/// then publishes s + 1, so a writer killed at any instruction leaves the last good copy readable.
/// Words are copied atomically with acquire/release order (H.-J. Boehm, "Can seqlocks get along with
/// programming language memory models?", MSPC 2012), across processes through a shared mapping.
template <typename T>
struct Slot {
  static_assert(sizeof(T) % sizeof(std::uint64_t) == 0 && alignof(T) <= alignof(std::uint64_t));
  static constexpr std::size_t words = sizeof(T) / sizeof(std::uint64_t);

  std::uint64_t sequence;
  std::uint64_t copies[2][words];

  /// Writer only: replaces the value.
  void store(const T& value) {
    const std::uint64_t next = std::atomic_ref(sequence).load(std::memory_order_relaxed) + 1;
    const auto* source = reinterpret_cast<const unsigned char*>(&value);
    auto* target = copies[next % 2];
    for (std::size_t i = 0; i < words; ++i) {
      std::uint64_t word;
      std::memcpy(&word, source + i * sizeof word, sizeof word);
      std::atomic_ref(target[i]).store(word, std::memory_order_release);
    }
    std::atomic_ref(sequence).store(next, std::memory_order_release);
  }

  /// The sequence now; 0 for a slot never written.
  [[nodiscard]] std::uint64_t sequence_now() const {
    // atomic_ref has no const form in C++20; only loads here, so a read-only mapping will do.
    return std::atomic_ref(const_cast<std::uint64_t&>(sequence)).load(std::memory_order_acquire);
  }

  /// Any reader: the first bytes of the value as a Prefix (a type with the same first members), or
  /// nothing if 1000 tries in a row met a write (a writer does one a tick).
  template <typename Prefix>
  [[nodiscard]] std::optional<Prefix> load_prefix() const {
    static_assert(sizeof(Prefix) % sizeof(std::uint64_t) == 0 && sizeof(Prefix) <= sizeof(T));
    std::optional<Prefix> value(std::in_place);
    if (!try_copying(&*value, sizeof(Prefix) / sizeof(std::uint64_t))) value.reset();
    return value;
  }

  /// Any reader: the whole value; nothing as for load_prefix().
  [[nodiscard]] std::optional<T> load() const { return load_prefix<T>(); }
  /// The same into `value`, without a copy on the stack, which threads of others may have little of.
  /// False: nothing, and `value` may be torn.
  [[nodiscard]] bool load_into(T& value) const { return try_copying(&value, words); }

 private:
  bool try_copying(void* target, std::size_t count) const {
    for (int tries = 0; tries < 1000; ++tries) {
      const std::uint64_t before = sequence_now();
      copy_words(before, target, count);
      if (sequence_now() == before) return true;
    }
    return false;
  }
  void copy_words(std::uint64_t from_sequence, void* target, std::size_t count) const {
    auto& source = const_cast<std::uint64_t(&)[words]>(copies[from_sequence % 2]);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t word = std::atomic_ref(source[i]).load(std::memory_order_acquire);
      std::memcpy(static_cast<unsigned char*>(target) + i * sizeof word, &word, sizeof word);
    }
  }
};

}  // namespace vpowercap
