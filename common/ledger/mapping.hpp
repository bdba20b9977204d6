// SPDX-License-Identifier: Apache-2.0
// Memory-maps a ledger file and judges whether it can be used.
#pragma once

#include <string>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"
#include "common/ledger/layout.hpp"

namespace vpowercap {

/// A shared mapping of a whole ledger. Move-only.
class LedgerMapping {
 public:
  LedgerMapping() = default;
  LedgerMapping(LedgerMapping&& other) noexcept;
  LedgerMapping& operator=(LedgerMapping&& other) noexcept;
  ~LedgerMapping();

  /// Maps the file behind `fd`, whose size must be right already.
  static Result<LedgerMapping> map(int fd, bool writable);

  [[nodiscard]] LedgerLayout* get() const { return layout_; }

 private:
  explicit LedgerMapping(LedgerLayout* layout) : layout_(layout) {}
  LedgerLayout* layout_ = nullptr;
};

/// This boot's id. Errors: those of reading /proc/sys/kernel/random/boot_id.
Result<Uuid> boot_id();

/// EPROTO: bytes at a place in the ledger `path` are not what a writer put there. Says what to do.
tl::unexpected<Error> damaged_ledger(const std::string& path, const std::string& where);

enum class LedgerUse { read, write };

/// Whether the open ledger `fd` (named `path` in messages) is one this program can use.
/// Errors: EPROTO with the reason and what to do, which is not the same for a reader and the writer.
Result<void> check_ledger(int fd, const std::string& path, LedgerUse use);

}  // namespace vpowercap
