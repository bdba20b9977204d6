// SPDX-License-Identifier: Apache-2.0
// Following the ledger.
#include "guest/agent/ledger_view.hpp"

#include <algorithm>

namespace vpowercap {

Result<LedgerSnapshot> LedgerView::read(Nanoseconds now) {
  if (!reader_ || !reader_->is_current()) {
    reader_.reset();
    auto opened = LedgerReader::open(path_);
    if (!opened) return tl::unexpected(opened.error());
    reader_ = std::move(*opened);
  }
  LedgerSnapshot snapshot;
  snapshot.path = path_;
  snapshot.age = std::max(now - reader_->heartbeat(), Nanoseconds(0));  // of the future: another boot's
  snapshot.tick = reader_->tick();
  snapshot.stale = reader_->is_stale(now);
  if (snapshot.stale) return snapshot;
  snapshot.host = reader_->host();
  snapshot.vms = reader_->vms();
  return snapshot;
}

}  // namespace vpowercap
