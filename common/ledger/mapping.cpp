// SPDX-License-Identifier: Apache-2.0
// Mapping and checking of ledger files.
#include "common/ledger/mapping.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <utility>

#include "common/base/file.hpp"

namespace vpowercap {

LedgerMapping::LedgerMapping(LedgerMapping&& other) noexcept
    : layout_(std::exchange(other.layout_, nullptr)) {}

LedgerMapping& LedgerMapping::operator=(LedgerMapping&& other) noexcept {
  std::swap(layout_, other.layout_);
  return *this;
}

LedgerMapping::~LedgerMapping() {
  if (layout_ != nullptr) ::munmap(layout_, sizeof(LedgerLayout));
}

Result<LedgerMapping> LedgerMapping::map(int fd, bool writable) {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* memory = ::mmap(nullptr, sizeof(LedgerLayout), protection, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return fail_errno(errno, "cannot map the ledger");
  return LedgerMapping(static_cast<LedgerLayout*>(memory));
}

Result<Uuid> boot_id() {
  auto text = read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64);
  if (!text) return tl::unexpected(text.error());
  const auto id = Uuid::parse(without_newline(*text));
  if (!id) return fail(EPROTO, "/proc/sys/kernel/random/boot_id holds no UUID");
  return *id;
}

tl::unexpected<Error> damaged_ledger(const std::string& path, const std::string& where) {
  return fail(EPROTO, path + " is damaged (" + where +
                          "): stop vpowercapd, remove the file, start it again; counters then begin "
                          "anew");
}

Result<void> check_ledger(int fd, const std::string& path, LedgerUse use) {
  LedgerHeader header{};
  const ssize_t got = ::pread(fd, &header, sizeof header, 0);
  if (got < 0) return fail_errno(errno, "cannot read " + path);
  if (got != sizeof header || header.magic != ledger_magic)
    return fail(EPROTO, path + " is not a ledger: stop vpowercapd, remove the file, start it again");
  if (header.version != ledger_version)
    return fail(EPROTO, path + " has layout version " + std::to_string(header.version) +
                            ", this program uses version " + std::to_string(ledger_version) +
                            (use == LedgerUse::read
                                 ? ": use programs of one release"
                                 : ": stop vpowercapd, remove the file, start it again; counters then "
                                   "begin anew"));
  if (header.check != header_checksum(header)) return damaged_ledger(path, "its header");
  struct stat status{};
  if (::fstat(fd, &status) != 0) return fail_errno(errno, "cannot stat " + path);
  if (header.vm_slots != max_vms || header.host_slot_size != sizeof(Slot<HostRecord>) ||
      header.vm_slot_size != sizeof(Slot<VmRecord>) ||
      status.st_size < static_cast<off_t>(sizeof(LedgerLayout)))
    return fail(EPROTO, path +
                            " is truncated or was made by another build: stop vpowercapd, remove "
                            "the file, start it again");
  return {};
}

}  // namespace vpowercap
