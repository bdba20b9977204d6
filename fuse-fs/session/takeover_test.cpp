// SPDX-License-Identifier: Apache-2.0
// A server that finds what another left: over a socket that keeps messages apart as /dev/fuse does.
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <functional>

#include "fuse-fs/session/serve.hpp"
#include "fuse-fs/session/snapshots.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_vm.hpp"

namespace vpowercap {
namespace {

using testing::known_vm;

constexpr Node energy{Place::zone(0, EnergyDomain::package), File::energy_uj};
constexpr std::uint64_t handle = 77;

struct InitRequest {
  fuse_in_header header{.len = sizeof(InitRequest), .opcode = FUSE_INIT, .unique = 2, .nodeid = 0};
  fuse_init_in body{.major = 7, .minor = 38, .max_readahead = 65536, .flags = FUSE_ASYNC_READ};
};
struct ReadRequest {
  fuse_in_header header{.len = sizeof(ReadRequest), .opcode = FUSE_READ};
  fuse_read_in body{};

  ReadRequest(std::uint64_t unique, std::uint64_t offset) {
    header.unique = unique;
    header.nodeid = node_id(known_vm, energy);
    body.fh = handle;
    body.offset = offset;
    body.size = 64;
  }
};

class TakeOver : public ::testing::Test {
 protected:
  TakeOver() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    socket_.reset(ends[0]);
    served_.reset(ends[1]);
    auto opened =
        LedgerWriter::open({.path = path_, .group = "", .stale_after = std::chrono::hours(1)});
    EXPECT_TRUE(opened) << opened.error().message;
    writer_ = std::make_unique<LedgerWriter>(std::move(*opened));
    writer_->beat(SystemClock().now());
    publish(4000);
  }
  ~TakeOver() override { end(); }

  void publish(std::uint64_t uj) { EXPECT_TRUE(writer_->store_vm(testing::vm_record(known_vm, uj))); }
  /// As one that was killed has left it: in the slot of a thread.
  template <typename Request>
  void leave(unsigned slot, const Request& request) {
    std::memcpy(journal_.slot(slot).buffer().data(), &request, sizeof request);
  }
  void start(bool suspects_requests = false) {
    server_ = ::fork();
    if (server_ != 0) return;
    socket_.reset();
    const SystemClock clock;
    LedgerSource source(path_, clock, nullptr);
    (void)serve(std::move(served_), journal_, Filesystem(source), suspects_requests);
    ::_exit(0);
  }
  void end() {
    if (server_ <= 0) return;
    ::kill(server_, SIGKILL);
    ::waitpid(server_, nullptr, 0);
    server_ = -1;
  }
  /// The next reply to anything but INIT: "UNIQUE: text" or "UNIQUE: error N".
  std::string reply() {
    for (;;) {
      char buffer[4096];
      pollfd waiting{socket_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, 20'000) != 1) return "none";
      const auto size = ::recv(socket_.get(), buffer, sizeof buffer, 0);
      fuse_out_header header{};
      if (size < static_cast<ssize_t>(sizeof header)) return "cut off";
      std::memcpy(&header, buffer, sizeof header);
      if (header.unique == 2 || header.unique == 0) continue;  // INIT, the wish for a resend
      const auto number = std::to_string(header.unique) + ": ";
      if (header.error != 0) return number + "error " + std::to_string(-header.error);
      return number + std::string(buffer + sizeof header, buffer + size);
    }
  }
  void ask(const ReadRequest& request) {
    EXPECT_EQ(::send(socket_.get(), &request, sizeof request, 0), ssize_t{sizeof request});
  }
  /// A server forgets an answer after it has given it.
  bool undecided(unsigned slot) const {
    for (int attempt = 0; attempt < 2000 && journal_.slot(slot).decided(); ++attempt) ::usleep(10'000);
    return !journal_.slot(slot).decided();
  }
  void record_init() { journal_.record_init(std::as_bytes(std::span(&init_, 1))); }

  testing::TempDir dir_;
  std::string path_ = dir_.path("ledger");
  std::unique_ptr<LedgerWriter> writer_;
  UniqueFd socket_, served_;
  Journal journal_ = Journal::open(Journal::create(2)->get()).value();
  InitRequest init_;
  pid_t server_ = -1;
};

TEST_F(TakeOver, WhatWasReceivedIsAnswered) {
  record_init();
  leave(1, ReadRequest(10, 0));
  start();
  EXPECT_EQ(reply(), "10: 4000\n");
  ask(ReadRequest(12, 0));
  EXPECT_EQ(reply(), "12: 4000\n");
  EXPECT_TRUE(undecided(1)) << "what was answered would be answered again";
}

TEST_F(TakeOver, AnInitThatNobodyRecordedIsFoundWhereItWasReceived) {
  leave(0, init_);
  leave(1, ReadRequest(10, 0));
  start();
  EXPECT_EQ(reply(), "10: 4000\n");
  EXPECT_EQ(journal_.init().size(), sizeof init_);
}

TEST_F(TakeOver, AnAnswerThatMayHaveArrivedIsGivenAgain) {
  record_init();
  leave(0, ReadRequest(10, 0));
  journal_.slot(0).decide(3999);
  start();
  EXPECT_EQ(reply(), "10: 3999\n");
  ask(ReadRequest(12, 2));
  EXPECT_EQ(reply(), "12: 99\n") << "its reader goes on in it";
}

TEST_F(TakeOver, AnOldAnswerDoesNotUndoANewerOne) {
  record_init();
  Snapshots(journal_.words(), 1).keep(handle, 4000);
  leave(0, ReadRequest(10, 0));
  journal_.slot(0).decide(3999);
  start();
  EXPECT_EQ(reply(), "10: 3999\n");
  ask(ReadRequest(12, 2));
  EXPECT_EQ(reply(), "12: 00\n");
}

/// Kills a process that clears `slot` as soon as `holds`, asked after each of its instructions. False
/// when it never did.
bool killed_clearing(const RequestSlot& slot, const std::function<bool()>& holds) {
  const auto child = ::fork();
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(1);
    ::raise(SIGSTOP);
    slot.clear();
    ::_exit(0);
  }
  int status = 0;
  bool held = false;
  while (!held && ::waitpid(child, &status, 0) == child && WIFSTOPPED(status))
    if (held = holds(); !held) ::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr);
  if (!WIFSTOPPED(status)) return false;
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return held;
}

TEST_F(TakeOver, AtNoInstantOfClearingIsThereARequestThatLostItsDecision) {
  const auto slot = journal_.slot(0);
  leave(0, ReadRequest(10, 0));
  slot.decide(3999);
  EXPECT_FALSE(killed_clearing(slot, [&] { return slot.occupied() && !slot.decided(); }));
  EXPECT_FALSE(slot.occupied());
}

TEST_F(TakeOver, ASlotWhoseClearingWasCutOffDecidesNothingMore) {
  record_init();
  const auto slot = journal_.slot(0);
  Snapshots(journal_.words(), 1).keep(handle, 3999);
  leave(0, ReadRequest(10, 0));
  slot.decide(3999);
  const auto has_begun = [&] { return !slot.occupied() || !slot.decided(); };
  ASSERT_TRUE(killed_clearing(slot, has_begun));
  start();
  ask(ReadRequest(12, 2));
  EXPECT_EQ(reply(), "12: 99\n") << "the rest of what the answered request began";
  ask(ReadRequest(14, 0));
  EXPECT_EQ(reply(), "14: 4000\n");
}

TEST_F(TakeOver, ARequestThatMayHaveEndedServersIsGivenUp) {
  record_init();
  leave(0, ReadRequest(10, 0));
  leave(1, ReadRequest(12, 0));
  for (int successor = 0; successor < 3; ++successor) (void)journal_.slot(0).count_replay();
  start(true);
  EXPECT_EQ(reply(), "10: error 5");
  EXPECT_EQ(reply(), "12: 4000\n");
}

TEST_F(TakeOver, ARequestIsNotGivenUpBecauseServersWereKilled) {
  record_init();
  leave(0, ReadRequest(10, 0));
  for (int successor = 0; successor < 100; ++successor) (void)journal_.slot(0).count_replay();
  start(false);
  EXPECT_EQ(reply(), "10: 4000\n");
}

}  // namespace
}  // namespace vpowercap
