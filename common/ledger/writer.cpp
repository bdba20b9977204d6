// SPDX-License-Identifier: Apache-2.0
// Writing the ledger: take-over of an existing file, or a new one put in place whole.
#include "common/ledger/writer.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <map>

#include "common/base/file.hpp"
#include "common/ledger/mapping.hpp"

namespace vpowercap {

struct LedgerWriter::State {
  UniqueFd lock;
  LedgerMapping memory;
  bool took_over = false;
  bool is_changing = false;  ///< between begin_change() and commit_change()
  std::map<Uuid, std::size_t> slots;
  std::array<bool, max_vms> taken{};  ///< slots in use
  std::vector<std::size_t> given;     ///< slots that VMs got since the last commit
};

LedgerWriter::LedgerWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
LedgerWriter::LedgerWriter(LedgerWriter&&) noexcept = default;
LedgerWriter& LedgerWriter::operator=(LedgerWriter&&) noexcept = default;
LedgerWriter::~LedgerWriter() = default;

LedgerLayout& LedgerWriter::layout() const { return *state_->memory.get(); }
bool LedgerWriter::took_over() const { return state_->took_over; }

namespace {

void store(std::uint64_t& field, Nanoseconds value) {
  store_word(field, static_cast<std::uint64_t>(value.count()));
}

/// The check goes first: a take-over that finds only it knows that the change was whole.
void commit(LedgerHeader& header) {
  const auto next = header.committed + 1;
  store_word(header.committed_check, committed_checksum(next));
  store_word(header.committed, next);
}

/// After the commit: until then the slot may be blank again after a kill.
void mark_used(LedgerHeader& header, std::size_t slot) {
  auto& word = header.used[slot / 64];
  const auto bit = std::uint64_t{1} << (slot % 64);
  if ((word & bit) == 0) store_word(word, word | bit);
}

/// Makes what an earlier writer left, killed anywhere, whole. Errors: EPROTO when it is damaged.
Result<void> mend(LedgerLayout& layout, const std::string& path) {
  auto& header = layout.header;
  auto& committed = header.committed;
  if (header.committed_check == committed_checksum(committed + 1)) store_word(committed, committed + 1);
  else if (header.committed_check != committed_checksum(committed))
    return damaged_ledger(path, "the number of its last change");
  if (layout.host.health(committed) != SlotHealth::whole)
    return damaged_ledger(path, "the host's record");
  layout.host.forget_staged(committed);
  for (std::size_t i = 0; i < max_vms; ++i) {
    auto& slot = layout.vms[i];
    const auto health = slot.health(committed);
    const bool was_used = (header.used[i / 64] >> (i % 64) & 1) != 0;
    if (health == SlotHealth::damaged || (health == SlotHealth::unused && was_used))
      return damaged_ledger(path, "VM slot " + std::to_string(i));
    slot.forget_staged(committed);
    if (health == SlotHealth::whole) mark_used(header, i);
  }
  return {};
}

/// One writer at a time: an exclusive lock on a file beside the ledger, gone with the process.
Result<UniqueFd> lock_beside(const std::string& path) {
  fail_point();
  auto lock =
      UniqueFd(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return fail_errno(errno, "cannot open " + path + ".lock");
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(EBUSY, "another vpowercapd writes " + path + ": stop it first");
  return lock;
}

/// The room for all of it is taken now: a page that could not be had later would be a SIGBUS, here and
/// in every reader.
Result<void> allocate(int fd, const std::string& path) {
  fail_point();
  const int code = ::posix_fallocate(fd, 0, sizeof(LedgerLayout));
  if (code == 0) return {};
  return fail_errno(code, "cannot make room for the ledger " + path + " (" +
                              std::to_string(sizeof(LedgerLayout)) + " bytes)");
}

/// Maps the ledger at `path` when it is of this boot; an empty mapping when a new one is needed.
Result<LedgerMapping> map_existing(const std::string& path, const Uuid& boot) {
  auto fd = open_at(AT_FDCWD, path, O_RDWR | O_NOFOLLOW);
  if (!fd && fd.error().code == ENOENT) return LedgerMapping();
  if (!fd) return tl::unexpected(fd.error());
  if (auto usable = check_ledger(fd->get(), path, LedgerUse::write); !usable)
    return tl::unexpected(usable.error());
  auto memory = LedgerMapping::map(fd->get(), true);
  if (!memory) return tl::unexpected(memory.error());
  if (std::memcmp(memory->get()->header.boot_id, boot.bytes.data(), boot.bytes.size()) != 0)
    return LedgerMapping();
  if (auto whole = allocate(fd->get(), path); !whole) return tl::unexpected(whole.error());
  if (auto mended = mend(*memory->get(), path); !mended) return tl::unexpected(mended.error());
  return memory;
}

/// Makes a ledger under a temporary name and renames it into place.
Result<LedgerMapping> map_new(const LedgerOptions& options, const Uuid& boot) {
  const std::string temporary = options.path + ".new";
  fail_point();
  ::unlink(temporary.c_str());
  fail_point();
  UniqueFd fd(::open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd) return fail_errno(errno, "cannot make " + temporary);
  fail_point();
  if (const group* owner = options.group.empty() ? nullptr : ::getgrnam(options.group.c_str()))
    if (::fchown(fd.get(), static_cast<uid_t>(-1), owner->gr_gid) != 0)
      return fail_errno(errno, "cannot give " + temporary + " to group " + options.group);
  fail_point();
  if (::fchmod(fd.get(), 0640) != 0) return fail_errno(errno, "cannot set the mode of " + temporary);
  if (auto whole = allocate(fd.get(), options.path); !whole) {
    ::unlink(temporary.c_str());
    return tl::unexpected(whole.error());
  }
  auto memory = LedgerMapping::map(fd.get(), true);
  if (!memory) return memory;
  auto& header = memory->get()->header;
  fail_point();
  header.magic = ledger_magic;
  fail_point();
  header.version = ledger_version;
  fail_point();
  header.vm_slots = max_vms;
  fail_point();
  header.host_slot_size = sizeof(Slot<HostRecord>);
  fail_point();
  header.vm_slot_size = sizeof(Slot<VmRecord>);
  fail_point();
  std::memcpy(header.boot_id, boot.bytes.data(), boot.bytes.size());
  fail_point();
  header.check = header_checksum(header);
  memory->get()->host.stage(HostRecord{}, header.committed);
  commit(header);
  fail_point();
  if (::rename(temporary.c_str(), options.path.c_str()) != 0)
    return fail_errno(errno, "cannot rename " + temporary + " to " + options.path);
  return memory;
}

}  // namespace

Result<LedgerWriter> LedgerWriter::open(const LedgerOptions& options) {
  const auto boot = boot_id();
  if (!boot) return tl::unexpected(boot.error());
  auto state = std::make_unique<State>();
  auto lock = lock_beside(options.path);
  if (!lock) return tl::unexpected(lock.error());
  state->lock = std::move(*lock);
  auto memory = map_existing(options.path, *boot);
  if (!memory) return tl::unexpected(memory.error());
  state->took_over = memory->get() != nullptr;
  if (!state->took_over) memory = map_new(options, *boot);
  if (!memory) return tl::unexpected(memory.error());
  state->memory = std::move(*memory);
  auto& layout = *state->memory.get();
  store(layout.header.stale_after_ns, options.stale_after);
  store(layout.header.tick_ns, options.tick);
  const auto& committed = layout.header.committed;
  for (std::size_t i = 0; i < max_vms; ++i) {
    auto& slot = layout.vms[i];
    if (slot.is_unused()) continue;
    const auto head = slot.load_prefix<VmHead>(committed);
    state->taken[i] = head && head->state != VmState::free;
    if (state->taken[i]) state->slots.emplace(head->uuid, i);
  }
  return LedgerWriter(std::move(state));
}

void LedgerWriter::beat(Nanoseconds now) { store(layout().header.heartbeat_ns, now); }

void LedgerWriter::begin_change() { state_->is_changing = true; }

void LedgerWriter::commit_change() {
  state_->is_changing = false;
  commit(layout().header);
  for (const auto slot : state_->given) mark_used(layout().header, slot);
  state_->given.clear();
}

template <typename Record, typename Slot>
void LedgerWriter::put(const Record& record, Slot& slot) {
  slot.stage(record, layout().header.committed);
  if (!state_->is_changing) commit_change();
}

void LedgerWriter::store_host(const HostRecord& record) { put(record, layout().host); }

Result<void> LedgerWriter::store_vm(const VmRecord& record) {
  auto found = state_->slots.find(record.uuid);
  if (found == state_->slots.end()) {
    const auto free = std::ranges::find(state_->taken, false);
    if (free == state_->taken.end())
      return fail(ENOSPC, "the ledger is full (" + std::to_string(max_vms) + " VMs), no slot for " +
                              record.uuid.to_string());
    *free = true;
    found = state_->slots.emplace(record.uuid, free - state_->taken.begin()).first;
    state_->given.push_back(found->second);
  }
  put(record, layout().vms[found->second]);
  return {};
}

void LedgerWriter::drop_vm(const Uuid& uuid) {
  const auto found = state_->slots.find(uuid);
  if (found == state_->slots.end()) return;
  put(VmRecord{}, layout().vms[found->second]);
  state_->taken[found->second] = false;
  state_->slots.erase(found);
}

std::optional<HostRecord> LedgerWriter::host() const {
  return layout().host.load(layout().header.committed);
}

std::vector<VmRecord> LedgerWriter::vms() const {
  std::vector<VmRecord> found;
  for (const auto& [uuid, slot] : state_->slots)
    if (auto record = layout().vms[slot].load(layout().header.committed)) found.push_back(*record);
  return found;
}

}  // namespace vpowercap
