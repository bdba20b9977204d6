// SPDX-License-Identifier: Apache-2.0
// Opening the ledger lazily.
#include "common/ledger/ledger_source.hpp"

namespace vpowercap {

LedgerSource::LedgerSource(std::string path, const Clock& clock, Report report)
    : path_(std::move(path)), clock_(clock), report_(std::move(report)) {}

std::shared_ptr<const LedgerReader> LedgerSource::current() {
  const std::scoped_lock lock(mutex_);
  if (const auto now = clock_.now(); now >= next_look_) {
    next_look_ = now + std::chrono::seconds(1);
    look();
  }
  return reader_;
}

void LedgerSource::look() {
  if (reader_ && reader_->is_current()) return;
  auto opened = LedgerReader::open(path_);
  const auto trouble = opened ? std::string() : opened.error().message;
  if (opened) reader_ = std::make_shared<const LedgerReader>(std::move(*opened));
  if (trouble != trouble_ && report_) report_(trouble);
  trouble_ = trouble;
}

}  // namespace vpowercap
