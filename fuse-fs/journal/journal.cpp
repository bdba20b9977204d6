// SPDX-License-Identifier: Apache-2.0
// The journal's layout in memory.
#include "fuse-fs/journal/journal.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <utility>

namespace vpowercap {
namespace {

constexpr std::uint64_t magic = 0x4c4e4a5043575056;  // "VPWCPJNL", read as a number
constexpr std::uint32_t version = 1;
constexpr std::size_t page = 4096;

/// The first page, the same in every version.
struct Head {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t slots;
  std::uint32_t init_size;  ///< written last
  std::uint32_t unused;
  std::byte init[page - 24];
};
static_assert(sizeof(Head) == page);

constexpr std::size_t words_at = page;
constexpr std::size_t slots_at = words_at + Journal::word_count * sizeof(std::uint64_t);

constexpr std::size_t size_for(std::size_t slots) {
  return slots_at + slots * RequestSlot::memory_size;
}

/// Of whatever version.
Result<Head> read_head(int fd) {
  Head head{};
  if (::pread(fd, &head, sizeof head, 0) != sizeof head || head.magic != magic)
    return fail(EPROTO, "not a journal");
  return head;
}

Head& head_of(std::byte* memory) { return *reinterpret_cast<Head*>(memory); }

}  // namespace

/// What belongs to a request, in the page behind the buffer.
struct RequestSlot::Side {
  char end_of_longest_name[64];
  std::uint64_t value;
  std::uint32_t is_decided, replays;
};

std::uint32_t& RequestSlot::length() const { return reinterpret_cast<fuse_in_header*>(memory_)->len; }

RequestSlot::Side& RequestSlot::side() const { return *reinterpret_cast<Side*>(memory_ + buffer_size); }

bool RequestSlot::occupied() const {
  const auto size = std::atomic_ref(length()).load(std::memory_order_acquire);
  return size >= sizeof(fuse_in_header) && size <= buffer_size;
}

/// The request before what was decided of it: at no instant is there one that a successor would decide
/// a second time.
void RequestSlot::clear() const {
  std::atomic_ref(length()).store(0, std::memory_order_release);
  std::atomic_ref(side().is_decided).store(0, std::memory_order_release);
  std::atomic_ref(side().replays).store(0, std::memory_order_release);
}

void RequestSlot::received(std::size_t size) const {
  memory_[size] = std::byte{0};
  std::atomic_ref(length()).store(static_cast<std::uint32_t>(size), std::memory_order_release);
}

unsigned RequestSlot::count_replay() const { return std::atomic_ref(side().replays).fetch_add(1) + 1; }

void RequestSlot::decide(std::uint64_t value) const {
  std::atomic_ref(side().value).store(value, std::memory_order_relaxed);
  std::atomic_ref(side().is_decided).store(1, std::memory_order_release);
}

std::optional<std::uint64_t> RequestSlot::decided() const {
  if (std::atomic_ref(side().is_decided).load(std::memory_order_acquire) == 0) return std::nullopt;
  return side().value;
}

Result<UniqueFd> Journal::create(unsigned slots) {
  UniqueFd fd(::memfd_create("vpowercap-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno(errno, "cannot make memory for the journal");
  const Head head{magic, version, slots, 0, 0, {}};
  if (::ftruncate(fd.get(), static_cast<off_t>(size_for(slots))) != 0 ||
      ::pwrite(fd.get(), &head, sizeof head, 0) != sizeof head ||
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail_errno(errno, "cannot lay out the journal");
  return fd;
}

Result<UniqueFd> Journal::create_after(int predecessor, unsigned slots) {
  const auto head = read_head(predecessor);
  if (!head) return tl::unexpected(head.error());
  if (head->version == version || head->init_size == 0 || head->init_size > sizeof head->init)
    return fail(EPROTO, "a journal that cannot be succeeded");
  auto fd = create(slots);
  if (!fd) return fd;
  const auto successor = open(fd->get());
  if (!successor) return tl::unexpected(successor.error());
  successor->record_init({head->init, head->init_size});
  return fd;
}

std::uint32_t Journal::version_of(int fd) {
  const auto head = read_head(fd);
  return head ? head->version : 0;
}

Result<Journal> Journal::open(int fd) {
  const auto read = read_head(fd);
  if (!read) return tl::unexpected(read.error());
  const auto& head = *read;
  struct stat found{};
  if (::fstat(fd, &found) != 0) return fail(EPROTO, "not a journal");
  if (head.version != version)
    return fail(EPROTO, "a journal of version " + std::to_string(head.version) + ", not " +
                            std::to_string(version));
  if (head.slots == 0 || head.slots > most_slots ||
      static_cast<std::size_t>(found.st_size) != size_for(head.slots) ||
      head.init_size > sizeof head.init)
    return fail(EPROTO, "a journal whose sizes do not fit");
  const auto size = size_for(head.slots);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (memory == MAP_FAILED) return fail_errno(errno, "cannot map the journal");
  (void)!::mlock(memory, size);  // where RLIMIT_MEMLOCK is too low, its pages may be swapped out
  return Journal(static_cast<std::byte*>(memory), size);
}

Journal::Journal(Journal&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), size_(other.size_) {}

Journal::~Journal() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
}

unsigned Journal::slot_count() const { return head_of(memory_).slots; }

RequestSlot Journal::slot(unsigned index) const {
  return RequestSlot(memory_ + slots_at + index * RequestSlot::memory_size);
}

std::span<std::byte> Journal::init() const {
  auto& head = head_of(memory_);
  return {head.init, std::atomic_ref(head.init_size).load(std::memory_order_acquire)};
}

void Journal::record_init(std::span<const std::byte> request) const {
  auto& head = head_of(memory_);
  const auto size = std::min(request.size(), sizeof head.init);
  std::memcpy(head.init, request.data(), size);
  std::atomic_ref(head.init_size).store(static_cast<std::uint32_t>(size), std::memory_order_release);
}

std::span<std::uint64_t, Journal::word_count> Journal::words() const {
  return std::span<std::uint64_t, word_count>(reinterpret_cast<std::uint64_t*>(memory_ + words_at),
                                              word_count);
}

}  // namespace vpowercap
