// SPDX-License-Identifier: Apache-2.0
// A journal as one server leaves it and another finds it.
#include "fuse-fs/journal/journal.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "common/base/file.hpp"

namespace vpowercap {
namespace {

std::span<const std::byte> bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string text(std::span<const std::byte> some) {
  return {reinterpret_cast<const char*>(some.data()), some.size()};
}

TEST(Journal, ASuccessorFindsWhatWasLeft) {
  const auto fd = Journal::create(3).value();
  {
    const auto journal = Journal::open(fd.get()).value();
    EXPECT_EQ(journal.slot_count(), 3u);
    EXPECT_TRUE(journal.init().empty());
    EXPECT_EQ(journal.words()[0], 0u);
    journal.record_init(bytes("the first request"));
    journal.words()[Journal::word_count - 1] = 7;
    const fuse_in_header request{.len = sizeof request, .opcode = FUSE_READ, .unique = 9};
    std::memcpy(journal.slot(2).buffer().data(), &request, sizeof request);
  }
  const auto journal = Journal::open(fd.get()).value();
  EXPECT_EQ(text(journal.init()), "the first request");
  EXPECT_EQ(journal.words()[Journal::word_count - 1], 7u);
  EXPECT_FALSE(journal.slot(0).occupied());
  ASSERT_TRUE(journal.slot(2).occupied());
  EXPECT_EQ(journal.slot(2).header().unique, 9u);
  EXPECT_EQ(journal.slot(2).count_replay(), 1u);
  EXPECT_EQ(journal.slot(2).count_replay(), 2u);
  EXPECT_FALSE(journal.slot(2).decided());
  journal.slot(2).decide(0);
  EXPECT_EQ(journal.slot(2).decided(), 0u);
  journal.slot(2).clear();
  EXPECT_FALSE(journal.slot(2).decided());
  EXPECT_FALSE(journal.slot(2).occupied());
  EXPECT_EQ(journal.slot(2).count_replay(), 1u);
}

TEST(Journal, SlotsDoNotTouchEachOther) {
  const auto fd = Journal::create(2).value();
  const auto journal = Journal::open(fd.get()).value();
  std::ranges::fill(journal.slot(0).buffer(), std::byte{0xff});
  EXPECT_FALSE(journal.slot(0).occupied()) << "a length that no request has";
  journal.slot(0).received(RequestSlot::buffer_size);
  EXPECT_TRUE(journal.slot(0).occupied());
  EXPECT_EQ(journal.slot(0).count_replay(), 1u);
  EXPECT_FALSE(journal.slot(1).occupied());
  EXPECT_EQ(journal.slot(1).buffer()[0], std::byte{0});
  EXPECT_EQ(journal.words()[Journal::word_count - 1], 0u);
}

TEST(Journal, NobodyCanCutItOff) {
  const auto fd = Journal::create(1).value();
  EXPECT_NE(::ftruncate(fd.get(), 4096), 0);
  EXPECT_NE(::ftruncate(fd.get(), 1 << 30), 0);
}

std::size_t locked_bytes() {
  const auto status = read_file_at(AT_FDCWD, "/proc/self/status").value();
  return std::strtoull(status.c_str() + status.find("VmLck:") + 6, nullptr, 10) * 1024;
}

TEST(Journal, ItsMemoryIsLockedWhereThatIsAllowed) {
  const auto fd = Journal::create(Journal::most_slots).value();
  struct stat found{};
  ASSERT_EQ(::fstat(fd.get(), &found), 0);
  const auto size = static_cast<std::size_t>(found.st_size);
  EXPECT_LT(size, std::size_t{8} << 20) << "more than what systemd lets a service lock";
  const auto before = locked_bytes();
  void* const other = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool is_allowed = ::mlock(other, size) == 0 && locked_bytes() > before;
  ::munmap(other, size);
  if (!is_allowed) GTEST_SKIP() << "RLIMIT_MEMLOCK, or a sanitizer, does not allow it";
  const auto journal = Journal::open(fd.get()).value();
  EXPECT_EQ(locked_bytes(), before + size);
}

TEST(Journal, WhatIsNoneIsRefused) {
  const UniqueFd null(::open("/dev/null", O_RDONLY));
  EXPECT_EQ(Journal::open(null.get()).error().code, EPROTO);
  const auto refusal = [](off_t at, std::uint32_t value) {
    const auto fd = Journal::create(1).value();
    EXPECT_EQ(::pwrite(fd.get(), &value, sizeof value, at), ssize_t{sizeof value});
    const auto opened = Journal::open(fd.get());
    return opened ? std::string("opened") : opened.error().message;
  };
  EXPECT_EQ(refusal(0, 1), "not a journal");
  EXPECT_EQ(refusal(8, 2), "a journal of version 2, not 1");
  EXPECT_EQ(refusal(12, 2), "a journal whose sizes do not fit");
  EXPECT_EQ(refusal(12, 0), "a journal whose sizes do not fit");
  EXPECT_EQ(refusal(16, 5000), "a journal whose sizes do not fit");
}

/// The bytes of its first page are agreed between all releases, past and to come.
TEST(Journal, OneOfAnyOtherVersionIsSucceededWithItsInit) {
  const std::string init = "the first request";
  const auto succeed = [&](std::uint32_t version, std::uint32_t init_size) {
    const UniqueFd other(::memfd_create("other", MFD_CLOEXEC));
    std::string page = "VPWCPJNL";
    for (const std::uint32_t number : {version, 5u, init_size, 0u})
      page.append(reinterpret_cast<const char*>(&number), sizeof number);
    page += init;
    page.resize(4096);
    EXPECT_EQ(::write(other.get(), page.data(), page.size()), ssize_t{4096});
    EXPECT_EQ(Journal::version_of(other.get()), version);
    EXPECT_FALSE(Journal::open(other.get()));
    return Journal::create_after(other.get(), 3);
  };
  for (const std::uint32_t version : {0u, 2u, 99u}) {
    const auto fd = succeed(version, static_cast<std::uint32_t>(init.size()));
    ASSERT_TRUE(fd) << fd.error().message;
    const auto journal = Journal::open(fd->get());
    ASSERT_TRUE(journal) << journal.error().message;
    EXPECT_EQ(journal->slot_count(), 3u);
    EXPECT_EQ(text(journal->init()), init);
  }
  EXPECT_EQ(succeed(2, 0).error().code, EPROTO) << "nothing was agreed yet";
  EXPECT_EQ(succeed(2, 4096).error().code, EPROTO);
  EXPECT_EQ(succeed(1, 17).error().code, EPROTO) << "of this version, and broken";
}

}  // namespace
}  // namespace vpowercap
