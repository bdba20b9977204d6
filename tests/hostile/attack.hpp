// SPDX-License-Identifier: Apache-2.0
// What the parts of an attack on a mounted tree share: chance, names, and counting of what came back.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vpowercap::testing {

/// Outcomes are errno numbers; 0 is success.
inline constexpr std::size_t outcome_count = 160;
/// The outcome of touching a mapped page that could not be read.
inline constexpr int bus_error = outcome_count - 1;
inline constexpr std::size_t most_laws = 96;

/// How a kind of call may end.
struct Law {
  std::string_view call;
  bool may_succeed;  ///< false: success would have changed the tree
  std::span<const int> clean;
};
/// All kinds of calls; at most `most_laws`.
std::span<const Law> laws();

/// Shared between the processes of an attack.
struct Tally {
  std::array<std::array<std::atomic<std::uint64_t>, outcome_count>, most_laws> outcomes;
  struct Process {
    std::atomic<std::uint64_t> calls;
    std::atomic<const char*> attempt;  ///< what it does now
  };
  std::array<Process, 64> processes;
};

/// One process's attack. The same seed and tree: the same calls.
class Attack {
 public:
  /// `known`: paths below `root` that exist, without it.
  Attack(std::string root, std::vector<std::string> known, std::uint64_t seed, Tally& tally,
         std::size_t process);
  Attack(const Attack&) = delete;
  Attack& operator=(const Attack&) = delete;
  ~Attack();

  /// Makes attempts, one chosen after the other, until `calls` are made or `is_over` says so.
  template <typename IsOver>
  void run(std::uint64_t calls, IsOver is_over) {
    while (mine().calls < calls && !is_over()) attempt();
  }

  std::uint64_t random() { return random_(); }
  std::uint64_t below(std::uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  /// 0, -1, powers of two, limits of types, anything.
  std::uint64_t number();
  template <typename Value, std::size_t size>
  Value one_of(const Value (&values)[size]) {
    return values[below(size)];
  }

  /// A path that exists; relative to root().
  const std::string& known() { return known_[below(known_.size())]; }
  /// A name of 1 to 4096 random bytes, or a known path with such a name below it. It does not exist,
  /// and leads nowhere above the root.
  std::string odd();
  std::string any() { return chance(3) ? odd() : known(); }
  /// The root's descriptor, to which all paths are relative: they never begin with a slash.
  [[nodiscard]] int root() const { return root_; }
  /// A known path opened for reading, or (one in four) for writing where it can be; -1: it cannot.
  int open_known(int flags = 0);

  /// Counts how a call ended that returned `result`, with its errno if that is negative.
  void note(std::string_view call, long result);
  void note_outcome(std::string_view call, int outcome);

  /// At least 64 KiB for results, and of noise.
  [[nodiscard]] char* buffer() { return buffer_.data(); }
  static constexpr std::size_t buffer_size = 1 << 20;

 private:
  void attempt();
  Tally::Process& mine() { return tally_.processes[process_]; }

  std::vector<std::string> known_;
  std::mt19937_64 random_;
  Tally& tally_;
  std::size_t process_;
  int root_;
  std::vector<char> buffer_;
};

/// One way to attack: makes a call or a few.
struct Attempt {
  const char* name;
  void (*make)(Attack& attack);
};
std::span<const Attempt> file_attempts();
std::span<const Attempt> directory_attempts();
std::span<const Attempt> name_attempts();
std::span<const Attempt> attribute_attempts();
std::span<const Attempt> copy_attempts();
std::span<const Attempt> waiting_attempts();

}  // namespace vpowercap::testing
