// SPDX-License-Identifier: Apache-2.0
// What a server of a FUSE mount must know of its predecessor: memory that outlives it.
#pragma once

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace vpowercap {

/// With it a server exits that refuses its journal: whoever made that is of another release.
inline constexpr int exit_journal_refused = 3;

/// A request that a thread received, where the kernel itself put it: between receiving and noting it
/// there is no instant at which a killed server could lose it. A thread has one request at a time.
class RequestSlot {
 public:
  /// Room for max_write of the session and any header. The kernel refuses reads with less.
  static constexpr std::size_t buffer_size = 65536;
  /// The buffer, a page for what belongs to it, among that a NUL behind the longest request.
  static constexpr std::size_t memory_size = buffer_size + 4096;

  explicit RequestSlot(std::byte* memory) : memory_(memory) {}

  [[nodiscard]] std::span<std::byte> buffer() const { return {memory_, buffer_size}; }
  [[nodiscard]] const fuse_in_header& header() const {
    return *reinterpret_cast<const fuse_in_header*>(memory_);
  }
  /// Whether there is a request that may not have been answered.
  [[nodiscard]] bool occupied() const;
  /// Says so of none, before receiving and after answering.
  void clear() const;
  /// Notes that `size` bytes came, at least a header, whatever the request says of itself, and ends
  /// a name that is the last thing in it.
  void received(std::size_t size) const;
  /// Counts that a successor tries to answer it, and says how often one did.
  [[nodiscard]] unsigned count_replay() const;
  /// Notes which value the request is answered with, before it is: whoever answers it again must give
  /// the same one, for the first answer may have arrived.
  void decide(std::uint64_t value) const;
  [[nodiscard]] std::optional<std::uint64_t> decided() const;

 private:
  struct Side;
  [[nodiscard]] std::uint32_t& length() const;
  [[nodiscard]] Side& side() const;

  std::byte* memory_;
};

/// Shared memory in a descriptor that another process keeps, with one slot for each thread of the
/// server, the connection's INIT request, which comes only once, and words that a session may use as it
/// likes. All pages are there from the start, and locked where the limits allow it (4.6 MB at most): a
/// fault while the kernel copies a request into a dying server would cost its sender an EIO.
///
/// Its layout has a version: a server of another version refuses it, and who keeps the mount has to
/// make a new one, see create_after(). One server at a time; its threads use a slot each.
class Journal {
 public:
  static constexpr std::size_t most_slots = 64;
  static constexpr std::size_t word_count = 32768;

  /// Makes the memory for `slots` threads, 1 to 64, of a size that nobody can change any more.
  /// Errors: those of memfd_create(2), ftruncate(2) and fcntl(2).
  static Result<UniqueFd> create(unsigned slots);
  /// Makes one for a connection whose journal open() refuses for its version, with the INIT that is in
  /// it, at the same place in every version. Requests that a server had in hand are not in the new one:
  /// since Linux 6.9 the next server asks for them again. Errors: also EPROTO (no journal, one of this
  /// version, or one without INIT).
  static Result<UniqueFd> create_after(int predecessor, unsigned slots);
  /// The version of the layout that a journal has; 0 if it is none.
  static std::uint32_t version_of(int fd);
  /// Maps it. Errors: EPROTO (no journal, another version, a wrong size), those of mmap(2).
  static Result<Journal> open(int fd);

  ~Journal();
  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;

  [[nodiscard]] unsigned slot_count() const;
  [[nodiscard]] RequestSlot slot(unsigned index) const;
  /// The INIT request as it came; empty while none has.
  [[nodiscard]] std::span<std::byte> init() const;
  /// Records it. Whole, or (killed meanwhile) not at all.
  void record_init(std::span<const std::byte> request) const;
  /// Zeroes at first.
  [[nodiscard]] std::span<std::uint64_t, word_count> words() const;

 private:
  Journal(std::byte* memory, std::size_t size) : memory_(memory), size_(size) {}

  std::byte* memory_;
  std::size_t size_;
};

}  // namespace vpowercap
