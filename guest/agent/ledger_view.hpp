// SPDX-License-Identifier: Apache-2.0
// The ledger where there is one, opened again whenever another takes its place.
#pragma once

#include <optional>
#include <string>

#include "common/ledger/reader.hpp"
#include "guest/agent/snapshot.hpp"

namespace vpowercap {

/// Follows the ledger at one path. Not thread-safe.
class LedgerView {
 public:
  explicit LedgerView(std::string path) : path_(std::move(path)) {}

  /// The ledger at `now` (CLOCK_MONOTONIC). Errors: those of LedgerReader::open(), ENOENT included.
  Result<LedgerSnapshot> read(Nanoseconds now);

 private:
  std::string path_;
  std::optional<LedgerReader> reader_;
};

}  // namespace vpowercap
