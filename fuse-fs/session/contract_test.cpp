// SPDX-License-Identifier: Apache-2.0
// What a server of another version finds, and what a mount's kernel was told once for all. On a host
// that is upgraded or downgraded under running guests, a change of a value here costs their readers:
// numbers put together from two, errors on what they have open, or reads that nobody answers. Who must
// change one makes it another version of the journal (then there is a new mount, and what was open is
// lost, with an error) and the commit of tests/endurance/older.py.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <set>

#include "fuse-fs/session/serve.hpp"
#include "fuse-fs/session/snapshots.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_vm.hpp"

namespace vpowercap {
namespace {

using testing::known_vm;

constexpr std::uint32_t last_opcode = 52;  // FUSE_STATX, since Linux 6.6

/// What Linux 6.1 sends, and each flag that it may have.
struct InitRequest {
  fuse_in_header header{.len = sizeof(InitRequest), .opcode = FUSE_INIT, .unique = 2};
  fuse_init_in body{
      .major = 7, .minor = 36, .max_readahead = 131072, .flags = 0xffffffff, .flags2 = 0xffffffff};
};
static_assert(sizeof(InitRequest) == 104);

/// A server on a socket that keeps messages apart as /dev/fuse does.
class Contract : public ::testing::Test {
 protected:
  Contract() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    socket_.reset(ends[0]);
    UniqueFd served(ends[1]);
    server_ = ::fork();
    if (server_ != 0) return;
    socket_.reset();
    const SystemClock clock;
    LedgerSource source(dir_.path("ledger"), clock, nullptr);
    (void)serve(std::move(served), Journal::open(Journal::create(1)->get()).value(),
                Filesystem(source));
    ::_exit(0);
  }
  ~Contract() override {
    ::kill(server_, SIGKILL);
    ::waitpid(server_, nullptr, 0);
  }
  void send(const void* request, std::size_t size) {
    EXPECT_EQ(::send(socket_.get(), request, size, 0), static_cast<ssize_t>(size));
  }
  /// The next reply; empty when none comes.
  std::vector<std::uint8_t> reply() {
    std::vector<std::uint8_t> buffer(8192);
    pollfd waiting{socket_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 20'000) != 1) return {};
    buffer.resize(static_cast<std::size_t>(
        std::max(::recv(socket_.get(), buffer.data(), buffer.size(), 0), ssize_t{0})));
    return buffer;
  }

  testing::TempDir dir_;
  UniqueFd socket_;
  pid_t server_ = -1;
};

TEST_F(Contract, AMountIsTheSameWhicheverVersionBeganIt) {
  const InitRequest init;
  send(&init, sizeof init);
  const auto bytes = reply();
  ASSERT_EQ(bytes.size(), sizeof(fuse_out_header) + sizeof(fuse_init_out));
  std::vector<std::uint32_t> words(bytes.size() / 4);
  std::memcpy(words.data(), bytes.data(), bytes.size());
  // A header (80 bytes, no error, request 2); protocol 7.31, read ahead as asked, flags BIG_WRITES,
  // DO_READDIRPLUS, MAX_PAGES and INIT_EXT; no limits in the background, max_write 32768, times in ns,
  // 8 pages.
  const std::vector<std::uint32_t> said{80, 0,     2, 0, 7, 31, 131072, 0x40402020,  //
                                        0,  32768, 1, 8, 0, 0,  0,      0,           //
                                        0,  0,     0, 0};
  EXPECT_EQ(words, said)
      << "the kernel hears this once: a successor that says something else is not heard";
}

TEST_F(Contract, WhatIsNotImplementedStaysSo) {
  const InitRequest init;
  send(&init, sizeof init);
  ASSERT_FALSE(reply().empty());
  std::set<std::uint32_t> refused;
  const std::set<std::uint32_t> unanswered{FUSE_FORGET,  FUSE_INIT,         FUSE_INTERRUPT,
                                           FUSE_DESTROY, FUSE_NOTIFY_REPLY, FUSE_BATCH_FORGET};
  for (std::uint32_t code = 1; code <= last_opcode; ++code) {
    if (unanswered.contains(code)) continue;
    struct {
      fuse_in_header header{};
      char body[128]{};
    } request;
    request.header = {
        .len = sizeof request, .opcode = code, .unique = 100 + code, .nodeid = FUSE_ROOT_ID};
    send(&request, sizeof request);
    const auto bytes = reply();
    ASSERT_GE(bytes.size(), sizeof(fuse_out_header)) << "no answer to " << code;
    fuse_out_header header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    EXPECT_EQ(header.unique, 100 + code);
    if (header.error == -ENOSYS) refused.insert(code);
  }
  // No opcode (7, 19), fsync (20, 30), attributes (21 to 24), flush (25), locks (31 to 33), bmap,
  // ioctl, poll, fallocate, lseek, copy_file_range, mappings, syncfs, tmpfile, statx.
  const std::set<std::uint32_t> remembered{7,  19, 20, 21, 22, 23, 24, 25, 30, 31, 32, 33,
                                           37, 39, 40, 43, 46, 47, 48, 49, 50, 51, 52};
  EXPECT_EQ(refused, remembered)
      << "the kernel asks no more for most of these while the mount lives: not for what is new, either";
}

TEST(JournalContract, ALayoutHasAVersion) {
  const auto fd = Journal::create(2).value();
  const auto journal = Journal::open(fd.get()).value();
  const auto word = [&](off_t at, std::size_t size) {
    std::uint64_t value = 0;
    EXPECT_EQ(::pread(fd.get(), &value, size, at), static_cast<ssize_t>(size));
    return value;
  };
  EXPECT_EQ(word(0, 8), 0x4c4e4a5043575056u) << "its mark";
  EXPECT_EQ(word(8, 4), 1u) << "its version";
  EXPECT_EQ(word(12, 4), 2u) << "its threads";
  const std::uint64_t init = 42;
  journal.record_init(std::as_bytes(std::span(&init, 1)));
  EXPECT_EQ(word(16, 4), sizeof init);
  EXPECT_EQ(word(24, 8), 42u) << "the INIT request";

  // The table of what open files show: value, value xor handle, when it was used.
  constexpr off_t words = 4096, handle = 10 * 1365 + 77;
  Snapshots(journal.words(), 1).keep(handle, 3999);
  EXPECT_EQ(word(words + 77 * 8 * 24, 8), 3999u);
  EXPECT_EQ(word(words + 77 * 8 * 24 + 8, 8), 3999u ^ handle);
  EXPECT_NE(word(words + 77 * 8 * 24 + 16, 8), 0u);

  constexpr off_t slots = words + 8 * 32768, slot = 65536 + 4096;
  EXPECT_EQ(::lseek(fd.get(), 0, SEEK_END), slots + 2 * slot);
  const fuse_in_header request{.len = sizeof request, .opcode = FUSE_READ, .unique = 9};
  std::memcpy(journal.slot(1).buffer().data(), &request, sizeof request);
  journal.slot(1).decide(4000);
  for (unsigned tries : {1u, 2u}) EXPECT_EQ(journal.slot(1).count_replay(), tries);
  EXPECT_EQ(word(slots + slot, 4), sizeof request);
  EXPECT_EQ(word(slots + slot + 8, 8), 9u) << "the request";
  EXPECT_EQ(word(slots + slot + 65536 + 64, 8), 4000u) << "what it is answered with";
  EXPECT_EQ(word(slots + slot + 65536 + 72, 4), 1u) << "that this is decided";
  EXPECT_EQ(word(slots + slot + 65536 + 76, 4), 2u) << "how often a successor tried";
}

/// How the server ends when it is started so.
int exit_code(std::vector<std::string> words) {
  const auto child = ::fork();
  if (child == 0) {
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const int null = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(null, fd);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// A vpowercap-mount that was not restarted starts the next version's server with the words of its own.
TEST(OptionsContract, AServerTakesTheCommandOfAnOlderKeeper) {
  const char* const program = std::getenv("VPOWERCAP_FS");
  if (program == nullptr) GTEST_SKIP() << "VPOWERCAP_FS names no server (run by meson test)";
  std::vector<std::string> command{program,
                                   "--ledger",
                                   "/nonexistent",
                                   "--user",
                                   "nobody",
                                   "--group",
                                   "vpowercap",
                                   "--log-level",
                                   "error",
                                   "--fuse-fd",
                                   "0",
                                   "--journal-fd",
                                   "0",
                                   "--parent",
                                   "1",
                                   "--suspect-requests"};
  constexpr int wrong_usage = 2;
  static_assert(exit_journal_refused == 3, "a vpowercap-mount of another version goes by it");
  EXPECT_EQ(exit_code(command), exit_journal_refused)
      << "not for its options, but as descriptor 0 is no journal";
  command.emplace_back("--unheard-of");
  EXPECT_EQ(exit_code(command), wrong_usage);
}

}  // namespace
}  // namespace vpowercap
