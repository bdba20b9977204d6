// SPDX-License-Identifier: Apache-2.0
// Reading the ledger.
#include "common/ledger/reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "common/base/file.hpp"
#include "common/ledger/mapping.hpp"

namespace vpowercap {

struct LedgerReader::Mapping {
  std::string path;
  UniqueFd fd;
  LedgerMapping memory;
};

LedgerReader::LedgerReader(std::unique_ptr<Mapping> mapping) : mapping_(std::move(mapping)) {}
LedgerReader::LedgerReader(LedgerReader&&) noexcept = default;
LedgerReader& LedgerReader::operator=(LedgerReader&&) noexcept = default;
LedgerReader::~LedgerReader() = default;

const LedgerLayout& LedgerReader::layout() const { return *mapping_->memory.get(); }

Result<LedgerReader> LedgerReader::open(const std::string& path) {
  auto fd = open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW);
  if (!fd) {
    auto error = fd.error();
    if (error.code == ENOENT) error.message += " (has vpowercapd been started?)";
    if (error.code == EACCES) error.message += " (members of the group vpowercap can read it)";
    return tl::unexpected(error);
  }
  if (auto usable = check_ledger(fd->get(), path, LedgerUse::read); !usable)
    return tl::unexpected(usable.error());
  auto memory = LedgerMapping::map(fd->get(), false);
  if (!memory) return tl::unexpected(memory.error());
  return LedgerReader(std::make_unique<Mapping>(Mapping{path, std::move(*fd), std::move(*memory)}));
}

namespace {

/// A reader may be off the CPU for as long between its look at the clock and that at the heartbeat.
constexpr Nanoseconds longest_stop = std::chrono::seconds(10);

/// What no clock can show, in a damaged ledger, is the greatest time: a difference cannot overflow.
Nanoseconds load(const std::uint64_t& field) {
  constexpr auto most = static_cast<std::uint64_t>(Nanoseconds::max().count());
  return Nanoseconds(static_cast<std::int64_t>(std::min(load_word(field), most)));
}

}  // namespace

Nanoseconds LedgerReader::heartbeat() const { return load(layout().header.heartbeat_ns); }
Nanoseconds LedgerReader::stale_after() const { return load(layout().header.stale_after_ns); }
Nanoseconds LedgerReader::tick() const { return load(layout().header.tick_ns); }
bool LedgerReader::is_stale(Nanoseconds now) const {
  const auto age = now - heartbeat();
  return age > stale_after() || age < -longest_stop;
}

std::optional<HostRecord> LedgerReader::host() const {
  return layout().host.load(layout().header.committed);
}

std::vector<VmRecord> LedgerReader::vms() const {
  std::vector<VmRecord> found;
  for (const auto& slot : layout().vms) {
    if (slot.is_unused()) continue;
    auto& record = found.emplace_back();
    if (!slot.load_into(record, layout().header.committed) || record.state == VmState::free)
      found.pop_back();
  }
  return found;
}

std::optional<VmRecord> LedgerReader::find(const Uuid& uuid) const {
  const auto& committed = layout().header.committed;
  for (const auto& slot : layout().vms) {
    const auto head = slot.load_prefix<VmHead>(committed);
    if (!head || head->state == VmState::free || head->uuid != uuid) continue;
    auto record = slot.load(committed);
    if (record && record->state != VmState::free && record->uuid == uuid) return record;
  }
  return std::nullopt;
}

std::vector<Uuid> LedgerReader::uuids() const {
  std::vector<Uuid> found;
  for (const auto& slot : layout().vms)
    if (const auto head = slot.load_prefix<VmHead>(layout().header.committed);
        head && head->state != VmState::free)
      found.push_back(head->uuid);
  return found;
}

bool LedgerReader::is_current() const {
  struct stat mapped{};
  struct stat named{};
  return ::fstat(mapping_->fd.get(), &mapped) == 0 && ::stat(mapping_->path.c_str(), &named) == 0 &&
         mapped.st_dev == named.st_dev && mapped.st_ino == named.st_ino;
}

}  // namespace vpowercap
