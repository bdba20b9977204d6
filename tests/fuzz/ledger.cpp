// SPDX-License-Identifier: Apache-2.0
// A ledger of which some bytes are others: its header, the host's slot, two VMs' slots.
#include <unistd.h>

#include <array>
#include <cstring>

#include "common/ledger/layout.hpp"
#include "common/ledger/mapping.hpp"
#include "common/ledger/reader.hpp"
#include "common/ledger/writer.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

const Uuid first = *Uuid::parse("11111111-1111-4111-8111-111111111111");
const Uuid second = *Uuid::parse("22222222-2222-4222-8222-222222222222");

struct Ledger {
  fuzz::MemoryTree tree;
  std::string path = tree.path("ledger");
  LedgerWriter writer;
  LedgerReader reader;
  fuzz::MemoryFile file;

  Ledger() : writer(make(path)), reader(LedgerReader::open(path).value()), file(path) {}

  static LedgerWriter make(const std::string& path) {
    auto writer = LedgerWriter::open({path, ""}).value();
    for (const auto& uuid : {first, second}) {
      VmRecord record;
      record.uuid = uuid;
      record.state = VmState::running;
      record.sockets = 2;
      record.domain_mask = 1;
      law(writer.store_vm(record).has_value(), "a VM can be stored");
    }
    return writer;
  }
};

/// Bytes at a place in the file, put back at the end.
class Overlay {
 public:
  Overlay(int fd, std::size_t at, std::string_view bytes)
      : fd_(fd), at_(static_cast<off_t>(at)), size_(std::min(bytes.size(), before_.size())) {
    law(::pread(fd_, before_.data(), size_, at_) == static_cast<ssize_t>(size_), "the file is whole");
    law(::pwrite(fd_, bytes.data(), size_, at_) == static_cast<ssize_t>(size_), "it can be written");
  }
  ~Overlay() { law(::pwrite(fd_, before_.data(), size_, at_) == static_cast<ssize_t>(size_), "again"); }

 private:
  int fd_;
  off_t at_;
  std::array<char, 4096> before_;
  std::size_t size_;
};

void read_all(const LedgerReader& reader) {
  const auto host = reader.host();
  [[maybe_unused]] const bool stale = reader.is_stale(std::chrono::hours(1));
  std::uint64_t sum = 0;
  for (const auto& vm : reader.vms()) {
    law(vm.state == VmState::running && vm.sockets == 2 && vm.domain_mask == 1,
        "a record is what was stored, or there is none");
    for (const auto domain : virtual_domains) sum += vm.published_sum(domain) + vm.energy_sum(domain);
    law(vm.name.view().size() < 256, "a name ends within its place");
    law(wrapped_value(sum, vm.max_energy_range_uj) <= sum, "wrapping makes no energy");
  }
  if (const auto vm = reader.find(first)) law(vm->uuid == first, "the VM found is the one asked for");
  if (host) law(host->zone_count == 0 && host->tick == 0, "the host's is what was stored");
  law(reader.uuids().size() <= max_vms, "there are no more VMs than slots");
}

}  // namespace

/// The first two bytes choose the place, the others go there.
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Ledger ledger;
  if (size < 3) return 0;
  static constexpr std::array starts{std::size_t{0}, offsetof(LedgerLayout, host),
                                     offsetof(LedgerLayout, vms),
                                     offsetof(LedgerLayout, vms) + sizeof(Slot<VmRecord>)};
  const std::size_t start = starts[data[0] % starts.size()];
  const Overlay overlay(ledger.file.fd(), start + std::size_t{data[1]} * 8,
                        fuzz::as_text(data, size).substr(2));
  const auto usable = check_ledger(ledger.file.fd(), ledger.path, LedgerUse::read);
  law(usable || (usable.error().code == EPROTO &&
                 usable.error().message.find(ledger.path) != std::string::npos),
      "a refusal names the file");
  law(usable || start == 0, "what is refused for its header has another one");
  if (usable) read_all(ledger.reader);
  return 0;
}
