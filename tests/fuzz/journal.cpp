// SPDX-License-Identifier: Apache-2.0
// The journal that a FUSE server finds: its head, and what a slot holds.
#include "fuse-fs/journal/journal.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

constexpr std::size_t head_size = 24;

/// One slot's memory, whose buffer begins with `bytes`.
void check_slot(std::string_view bytes) {
  static const UniqueFd fd = Journal::create(1).value();
  static const Journal journal = Journal::open(fd.get()).value();
  const auto slot = journal.slot(0);
  std::memcpy(slot.buffer().data(), bytes.data(), std::min(bytes.size(), slot.buffer().size()));
  if (slot.occupied()) {
    const auto size = slot.header().len;
    law(size >= sizeof(fuse_in_header) && size <= slot.buffer().size(), "a request is in its buffer");
    slot.received(size);
    law(slot.occupied() && slot.header().len == size, "a request that came is there");
  }
  slot.clear();
  law(!slot.occupied() && !slot.decided() && slot.count_replay() == 1, "a free slot is as new");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const UniqueFd fd = Journal::create(2).value();
  static const auto fresh = [] {
    std::array<char, head_size> head;
    law(::pread(fd.get(), head.data(), head.size(), 0) == ssize_t{head_size}, "a head can be read");
    return head;
  }();
  auto head = fresh;
  const auto text = fuzz::as_text(data, size);
  for (std::size_t i = 0; i < std::min(size, head_size); ++i)
    head[i] = static_cast<char>(head[i] ^ text[i]);
  law(::pwrite(fd.get(), head.data(), head.size(), 0) == ssize_t{head_size}, "a head can be written");
  if (const auto journal = Journal::open(fd.get())) {
    law(journal->slot_count() == 2, "the slots are those that fit");
    law(journal->init().size() <= 4096 - head_size, "INIT is within its page");
    law(!journal->slot(1).occupied(), "a slot that nobody used is free");
  } else {
    law(journal.error().code == EPROTO && !journal.error().message.empty(),
        "a refusal gives its reason");
  }
  check_slot(text.substr(std::min(size, head_size)));
  return 0;
}
