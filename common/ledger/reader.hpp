// SPDX-License-Identifier: Apache-2.0
// Reads the ledger from a read-only mapping.
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

/// A read-only view of the ledger. Never blocks, never sees a torn value.
/// Thread-safe: any number of threads may call the const members at once.
class LedgerReader {
 public:
  /// Maps the ledger at `path`. Errors: ENOENT (no daemon has run), EACCES, EPROTO (not a ledger,
  /// or of another layout version; the message says which and what to do).
  static Result<LedgerReader> open(const std::string& path);

  LedgerReader(LedgerReader&&) noexcept;
  LedgerReader& operator=(LedgerReader&&) noexcept;
  ~LedgerReader();

  /// CLOCK_MONOTONIC of the writer's last sign of life, from 0. Where a damaged ledger has a value that
  /// no clock can show: Nanoseconds::max().
  [[nodiscard]] Nanoseconds heartbeat() const;
  /// Age of the heartbeat after which values must no longer be shown as current.
  [[nodiscard]] Nanoseconds stale_after() const;
  /// True when the writer has been silent for longer than stale_after() at `now` (CLOCK_MONOTONIC), or
  /// its last sign of life is of the future: of another boot.
  [[nodiscard]] bool is_stale(Nanoseconds now) const;
  /// Sampling period.
  [[nodiscard]] Nanoseconds tick() const;

  [[nodiscard]] std::optional<HostRecord> host() const;
  /// All VMs with a slot, stopped ones included, in slot order.
  [[nodiscard]] std::vector<VmRecord> vms() const;
  /// The VM with this UUID, if it has a slot.
  [[nodiscard]] std::optional<VmRecord> find(const Uuid& uuid) const;
  /// UUIDs of all VMs with a slot, in slot order: cheaper than vms().
  [[nodiscard]] std::vector<Uuid> uuids() const;

  /// False when another file has taken the place of the mapped one at its path: open again.
  [[nodiscard]] bool is_current() const;

 private:
  struct Mapping;
  explicit LedgerReader(std::unique_ptr<Mapping> mapping);
  [[nodiscard]] const LedgerLayout& layout() const;
  std::unique_ptr<Mapping> mapping_;
};

}  // namespace vpowercap
