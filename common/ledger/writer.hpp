// SPDX-License-Identifier: Apache-2.0
// Writes the ledger: one process, one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/ledger/records.hpp"

namespace vpowercap {

struct LedgerLayout;

/// How a new ledger file is made.
struct LedgerOptions {
  std::string path;   ///< e.g. /run/vpowercap/ledger
  std::string group;  ///< owner group's name; empty or unknown: left as it is
  Nanoseconds stale_after{std::chrono::seconds(60)};
  Nanoseconds tick{std::chrono::seconds(1)};
};

/// The only writer of the ledger. Takes over an existing file of the same boot and version with all
/// its counters; makes a new one otherwise. Not thread-safe.
class LedgerWriter {
 public:
  /// Errors: EBUSY (another writer lives), EPROTO (a ledger of another version, or a damaged one: the
  /// message says what to do), ENOSPC (no room for all of it), others of the file system.
  static Result<LedgerWriter> open(const LedgerOptions& options);

  LedgerWriter(LedgerWriter&&) noexcept;
  LedgerWriter& operator=(LedgerWriter&&) noexcept;
  ~LedgerWriter();

  /// True when the file was there and its counters go on.
  [[nodiscard]] bool took_over() const;

  void beat(Nanoseconds now);

  /// What is stored between these two is one change: readers see all of it or nothing, and so does a
  /// writer that takes over, whenever this one is killed. Outside, each call is a change of its own.
  void begin_change();
  void commit_change();

  void store_host(const HostRecord& record);
  /// Writes a VM's record into its slot, giving it one when it is new.
  /// Errors: ENOSPC when all max_vms slots are taken.
  Result<void> store_vm(const VmRecord& record);
  /// Frees a VM's slot. No effect when it has none.
  void drop_vm(const Uuid& uuid);

  /// What the file held when it was taken over.
  [[nodiscard]] std::optional<HostRecord> host() const;
  [[nodiscard]] std::vector<VmRecord> vms() const;

 private:
  struct State;
  template <typename Record, typename Slot>
  void put(const Record& record, Slot& slot);
  explicit LedgerWriter(std::unique_ptr<State> state);
  [[nodiscard]] LedgerLayout& layout() const;
  std::unique_ptr<State> state_;
};

}  // namespace vpowercap
