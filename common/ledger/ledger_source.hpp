// SPDX-License-Identifier: Apache-2.0
// The ledger as a long-lived reader has it: not there yet, there, or replaced by another file.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "common/base/clock.hpp"
#include "common/ledger/reader.hpp"

namespace vpowercap {

/// Opens the ledger when it appears and again when another file takes its place; looks at most once a
/// second. While it is away the last one stays in use: its age decides what may still be shown.
/// Thread-safe.
class LedgerSource {
 public:
  /// `report` is told, once per change, why the ledger cannot be read, and "" when it can again.
  using Report = std::function<void(std::string_view)>;
  LedgerSource(std::string path, const Clock& clock, Report report);

  /// The ledger now; nullptr while none could be opened yet.
  [[nodiscard]] std::shared_ptr<const LedgerReader> current();
  [[nodiscard]] Nanoseconds now() const { return clock_.now(); }

 private:
  void look();

  const std::string path_;
  const Clock& clock_;
  const Report report_;
  std::mutex mutex_;
  std::shared_ptr<const LedgerReader> reader_;
  std::string trouble_;
  Nanoseconds next_look_{0};
};

}  // namespace vpowercap
