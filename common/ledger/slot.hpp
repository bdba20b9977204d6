// SPDX-License-Identifier: Apache-2.0
// One slot of shared memory: two copies, readable whatever happens to the writer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>

#include "common/ledger/checksum.hpp"
#include "common/ledger/fail_point.hpp"

namespace vpowercap {

/// A word of shared memory; acquire and release order, across processes through a shared mapping.
inline std::uint64_t load_word(const std::uint64_t& word) {
  // atomic_ref has no const form in C++20; only loads here, so a read-only mapping will do.
  return std::atomic_ref(const_cast<std::uint64_t&>(word)).load(std::memory_order_acquire);
}
inline void store_word(std::uint64_t& word, std::uint64_t value) {
  fail_point();
  std::atomic_ref(word).store(value, std::memory_order_release);
}

/// What a slot's bytes say of how they came about.
enum class SlotHealth { unused, whole, damaged };

/// Two copies of a T, each with the number of the change of the ledger that brought it. Readers take
/// the newest copy whose change is committed; the writer fills the other one. So a writer killed at any
/// instruction leaves the last good copy readable, in all slots that of the same change.
///
/// `committed` is the number of the last change that is whole, a word that all slots share. The writer
/// touches a copy that it shows only after the next commit, so a reader to whom it stayed the same
/// has read no word of another change (words are copied atomically with acquire/release order: H.-J.
/// Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012).
///
/// Each copy has a checksum that takes in its change, so that bytes which a writer did not put there
/// are not taken for a value, and an older copy not for the last one.
template <typename T>
struct Slot {
  static_assert(sizeof(T) % sizeof(std::uint64_t) == 0 && alignof(T) <= alignof(std::uint64_t));
  static constexpr std::size_t words = sizeof(T) / sizeof(std::uint64_t);

  std::uint64_t changes[2];  ///< 0: the copy holds nothing
  std::uint64_t sums[2];     ///< of a change and its words; 0: the copy is not to be looked at
  std::uint64_t copies[2][words];

  /// Writer only: readers see `value` once change `committed` + 1 is committed.
  void stage(const T& value, std::uint64_t committed) {
    const auto* source = reinterpret_cast<const unsigned char*>(&value);
    const std::size_t hidden = 1 - shown(committed);
    blank(hidden);
    for (std::size_t i = 0; i < words; ++i) {
      std::uint64_t word;
      std::memcpy(&word, source + i * sizeof word, sizeof word);
      store_word(copies[hidden][i], word);
    }
    store_word(sums[hidden], checksum(committed + 1, source, words));
    store_word(changes[hidden], committed + 1);
  }

  /// Writer only: what an earlier writer left, killed anywhere.
  [[nodiscard]] SlotHealth health(std::uint64_t committed) const {
    const std::size_t last = shown(committed);
    if (!is_explained(1 - last, committed)) return SlotHealth::damaged;
    if (changes[last] != 0 && changes[last] <= committed)
      return holds(last, changes[last]) ? SlotHealth::whole : SlotHealth::damaged;
    return is_explained(last, committed) ? SlotHealth::unused : SlotHealth::damaged;
  }
  /// Writer only: forgets what an earlier writer staged and did not live to commit.
  void forget_staged(std::uint64_t committed) {
    for (const std::size_t copy : {0, 1})
      if (changes[copy] > committed || (changes[copy] == 0 && sums[copy] != 0)) blank(copy);
  }

  /// True for a slot that nobody has used.
  [[nodiscard]] bool is_unused() const {
    return load_word(changes[0]) == 0 && load_word(changes[1]) == 0;
  }

  /// Any reader: the first bytes of the value as a Prefix (a type with the same first members), or
  /// nothing if 1000 tries in a row met a commit (a writer does one a tick). The checksum is not looked
  /// at. The value of a slot that nobody has used is a new one.
  template <typename Prefix>
  [[nodiscard]] std::optional<Prefix> load_prefix(const std::uint64_t& committed) const {
    static_assert(sizeof(Prefix) % sizeof(std::uint64_t) == 0 && sizeof(Prefix) <= sizeof(T));
    std::optional<Prefix> value(std::in_place);
    const auto from = try_copying(&*value, sizeof(Prefix) / sizeof(std::uint64_t), committed);
    if (!from) value.reset();
    if (from && from->change == 0) value.emplace();
    return value;
  }

  /// Any reader: the whole value; nothing as for load_prefix(), or when it is damaged.
  [[nodiscard]] std::optional<T> load(const std::uint64_t& committed) const {
    std::optional<T> value(std::in_place);
    if (!load_into(*value, committed)) value.reset();
    return value;
  }
  /// The same into `value`, without a copy on the stack, which threads of others may have little of.
  /// False: nothing, and `value` may be torn.
  [[nodiscard]] bool load_into(T& value, const std::uint64_t& committed) const {
    const auto from = try_copying(&value, words, committed);
    if (from && from->change == 0) return std::construct_at(&value) != nullptr;
    return from && from->sum == checksum(from->change, &value, words);
  }

 private:
  struct Origin {
    std::uint64_t change, sum;
  };

  /// Which copy readers take. Of two later ones it does not matter: the reader will find out.
  [[nodiscard]] std::size_t shown(std::uint64_t committed) const {
    const auto first = load_word(changes[0]);
    const auto second = load_word(changes[1]);
    if (second > committed) return 0;
    return first > committed || second > first ? 1 : 0;
  }
  /// The sum goes first: a copy with neither holds nothing, whatever its words are.
  void blank(std::size_t copy) {
    store_word(sums[copy], 0);
    store_word(changes[copy], 0);
  }
  [[nodiscard]] bool holds(std::size_t copy, std::uint64_t change) const {
    return sums[copy] == checksum(change, copies[copy], words);
  }
  /// Whether a writer killed anywhere leaves a copy like this behind the shown one.
  [[nodiscard]] bool is_explained(std::size_t copy, std::uint64_t committed) const {
    const auto change = changes[copy] == 0 ? committed + 1 : changes[copy];
    return sums[copy] == 0 || (change <= committed + 1 && holds(copy, change));
  }
  std::optional<Origin> try_copying(void* target, std::size_t count,
                                    const std::uint64_t& committed) const {
    for (int tries = 0; tries < 1000; ++tries) {
      const auto before = load_word(committed);
      const auto copy = shown(before);
      const Origin from{load_word(changes[copy]), load_word(sums[copy])};
      copy_words(copies[copy], target, count);
      if (load_word(committed) != before) continue;
      // Staged for a change that is still to come: nobody has used the slot before.
      return from.change > before ? Origin{} : from;
    }
    return std::nullopt;
  }
  static void copy_words(const std::uint64_t (&source)[words], void* target, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t word = load_word(source[i]);
      std::memcpy(static_cast<unsigned char*>(target) + i * sizeof word, &word, sizeof word);
    }
  }
};

}  // namespace vpowercap
