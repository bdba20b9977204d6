// SPDX-License-Identifier: Apache-2.0
// Our FUSE session under random requests: clean answers only, bounded memory, and right ones
// afterwards. VPOWERCAP_HOSTILE_SEED and VPOWERCAP_HOSTILE_REQUESTS choose the attack.
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>

#include "fuse-fs/session/serve.hpp"
#include "tests/hostile/requests.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_vm.hpp"

#if defined(__SANITIZE_ADDRESS__)
// Freed memory would be kept back, up to 256 MiB, which would hide growth.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "quarantine_size_mb=4"; }
#endif

namespace vpowercap {
namespace {

using testing::known_vm;
using testing::read_body;
using testing::Request;
using testing::unknown_vm;

/// What a guest may meet; docs/testing.md says when. EIO is not among them: it is a mistake of ours.
const std::set<int> clean_errors{ENOTTY,  ENOENT, ESTALE, EINVAL, EISDIR, ENOTDIR,
                                 ENODATA, EACCES, EPERM,  EBADF,  ENOSYS, EAGAIN};
constexpr int served_to_the_end = 7;
constexpr int answer_timeout_ms = 60'000;  // a hung server, not a slow one
constexpr std::uint64_t burst = 16;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr long most_growth_kib = 65'536;
#else
constexpr long most_growth_kib = 4'096;
#endif

struct Reply {
  fuse_out_header header{};
  std::string body;
};

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// The real loop in a process of its own, on a socket that keeps messages apart as /dev/fuse does.
class HostileSession : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    socket_ = UniqueFd(ends[0]);
    UniqueFd served(ends[1]);
    auto opened =
        LedgerWriter::open({.path = path_, .group = "", .stale_after = std::chrono::hours(1)});
    ASSERT_TRUE(opened) << opened.error().message;
    writer_ = std::make_unique<LedgerWriter>(std::move(*opened));
    writer_->beat(SystemClock().now());
    ASSERT_TRUE(writer_->store_vm(testing::vm_record(known_vm, 1'000'000)));
    server_ = ::fork();
    if (server_ == 0) {
      socket_ = UniqueFd();
      const SystemClock clock;
      LedgerSource source(path_, clock, nullptr);
      // It ends by our closing the socket, which a /dev/fuse cannot do: an error.
      ::_exit(
          serve(std::move(served), Journal::open(Journal::create(2)->get()).value(), Filesystem(source))
              ? 1
              : served_to_the_end);
    }
  }
  void TearDown() override {
    socket_ = UniqueFd();
    int status = -1;
    ::waitpid(server_, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == served_to_the_end)
        << "the server ended with status " << status;
  }

  void send(const Request& request) const {
    const auto bytes = request.bytes();
    ASSERT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()))
        << "the server is gone: " << std::strerror(errno);
  }
  /// The next reply, whose frame is as the protocol wants it.
  void receive(Reply& reply) const {
    pollfd waiting{socket_.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&waiting, 1, answer_timeout_ms), 1) << "no reply";
    std::string bytes(1 << 17, '\0');
    const auto size = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    ASSERT_GE(size, static_cast<ssize_t>(sizeof reply.header)) << "the server is gone";
    std::memcpy(&reply.header, bytes.data(), sizeof reply.header);
    ASSERT_EQ(reply.header.len, size);
    reply.body =
        bytes.substr(sizeof reply.header, static_cast<std::size_t>(size) - sizeof reply.header);
  }
  [[nodiscard]] Reply ask(std::uint32_t opcode, std::uint64_t node, std::string body) {
    Reply reply;
    send(testing::request(opcode, ++unique_, node, std::move(body)));
    // Replies to interrupts may come late.
    while (!HasFatalFailure() && reply.header.unique != unique_) receive(reply);
    return reply;
  }
  [[nodiscard]] std::uint64_t look_up(std::uint64_t parent, const std::string& name) {
    const auto reply = ask(FUSE_LOOKUP, parent, name + '\0');
    fuse_entry_out entry{};
    EXPECT_EQ(reply.header.error, 0) << name;
    EXPECT_EQ(reply.body.size(), sizeof entry) << name;
    std::memcpy(&entry, reply.body.data(), std::min(reply.body.size(), sizeof entry));
    return entry.nodeid;
  }
  void expect_that_energy_reads(const std::string& value) {
    auto node = root_id;
    for (const auto& name : {known_vm.to_string(), std::string("intel-rapl"),
                             std::string("intel-rapl:0"), std::string("energy_uj")})
      node = look_up(node, name);
    EXPECT_EQ(ask(FUSE_OPEN, node, std::string(sizeof(fuse_open_in), '\0')).header.error, 0);
    EXPECT_EQ(ask(FUSE_READ, node, read_body(0, 4096)).body, value);
  }
  [[nodiscard]] long resident_kib() const {
    long pages = 0;
    std::ifstream("/proc/" + std::to_string(server_) + "/statm") >> pages >> pages;
    return pages * (::sysconf(_SC_PAGESIZE) / 1024);
  }
  [[nodiscard]] long descriptors() const {
    const std::filesystem::directory_iterator all("/proc/" + std::to_string(server_) + "/fd");
    return std::distance(begin(all), end(all));
  }
  [[nodiscard]] static std::vector<std::uint64_t> meaningful_nodes() {
    std::vector<std::uint64_t> nodes{root_id};
    for (const auto& vm : {known_vm, unknown_vm})
      for (std::uint16_t place = 0; place < 8; ++place)
        for (int file = 0; file <= static_cast<int>(File::flat_link); ++file)
          nodes.push_back(node_id(vm, {{place}, static_cast<File>(file)}));
    return nodes;
  }
  /// Sends `count` requests, some at a time, and checks what comes back. `outcomes` counts error codes.
  void attack(testing::RequestMaker& maker, std::uint64_t count, std::map<int, int>& outcomes) {
    std::map<std::uint64_t, Request> open;
    for (std::uint64_t sent = 0; sent < count;) {
      for (std::uint64_t i = 0; i < burst && sent < count; ++i, ++sent) {
        auto request = maker.next(++unique_);
        ASSERT_NO_FATAL_FAILURE(send(request)) << request.header.opcode;
        if (testing::is_unanswered(request.header.opcode)) continue;
        // An interrupt of what is over is answered with a later request, or never.
        if (request.header.opcode == FUSE_INTERRUPT) interrupts_.insert(unique_);
        else open.emplace(unique_, std::move(request));
      }
      while (!open.empty()) {
        Reply reply;
        ASSERT_NO_FATAL_FAILURE(receive(reply)) << "opcode " << open.begin()->second.header.opcode;
        ++outcomes[-reply.header.error];
        if (interrupts_.erase(reply.header.unique) != 0) continue;
        const auto found = open.find(reply.header.unique);
        ASSERT_NE(found, open.end()) << "a reply that nobody waits for";
        expect_clean(found->second, reply);
        open.erase(found);
      }
    }
  }
  static void expect_clean(const Request& request, const Reply& reply) {
    const auto opcode = request.header.opcode;
    const auto size = reply.body.size();
    if (reply.header.error != 0) {
      EXPECT_TRUE(clean_errors.contains(-reply.header.error))
          << "opcode " << opcode << ": error " << reply.header.error;
      EXPECT_EQ(size, 0u) << "opcode " << opcode;
    } else if (opcode == FUSE_LOOKUP) {
      EXPECT_EQ(size, sizeof(fuse_entry_out));
      fuse_entry_out entry{};
      std::memcpy(&entry, reply.body.data(), std::min(size, sizeof entry));
      if (request.header.nodeid != root_id) {
        EXPECT_EQ(entry.nodeid >> 16, request.header.nodeid >> 16) << "led into another VM's tree";
      }
    } else if (opcode == FUSE_GETATTR || opcode == FUSE_SETATTR) {  // a truncation changes nothing
      EXPECT_EQ(size, sizeof(fuse_attr_out));
    } else if (opcode == FUSE_OPEN || opcode == FUSE_OPENDIR) {
      EXPECT_EQ(size, sizeof(fuse_open_out));
    } else if (opcode == FUSE_READ || opcode == FUSE_READDIR || opcode == FUSE_READDIRPLUS) {
      EXPECT_LE(size, request.asked_size);
    } else if (opcode == FUSE_READLINK) {
      EXPECT_GT(size, 0u);
    } else if (opcode == FUSE_STATFS) {
      EXPECT_EQ(size, sizeof(fuse_statfs_out));
    } else {
      EXPECT_EQ(size, 0u) << "opcode " << opcode;
    }
  }

  testing::TempDir dir_;
  std::string path_ = dir_.path("ledger");
  std::unique_ptr<LedgerWriter> writer_;
  UniqueFd socket_;
  pid_t server_ = -1;
  std::uint64_t unique_ = 1;
  std::set<std::uint64_t> interrupts_;
};

TEST_F(HostileSession, AnswersCleanlyInBoundedMemoryAndRightAfterwards) {
  const auto seed = setting("VPOWERCAP_HOSTILE_SEED", 1);
  const auto count = setting("VPOWERCAP_HOSTILE_REQUESTS", 100'000);
  std::cout << "seed " << seed << ", " << count << " requests" << std::endl;
  ASSERT_EQ(ask(FUSE_INIT, 0, testing::init_body()).header.error, 0);
  expect_that_energy_reads("1000000\n");

  testing::RequestMaker maker(seed, meaningful_nodes());
  std::map<int, int> outcomes;
  ASSERT_NO_FATAL_FAILURE(attack(maker, count / 10, outcomes));  // after which all arenas are there
  const auto resident = resident_kib();
  const auto open_before = descriptors();
  ASSERT_NO_FATAL_FAILURE(attack(maker, count - count / 10, outcomes));
  const auto growth = resident_kib() - resident;

  for (const auto& [code, times] : outcomes)
    std::cout << (code == 0 ? "done" : std::strerror(code)) << ": " << times << '\n';
  std::cout << "resident memory: " << resident << " KiB, grown by " << growth << " KiB" << std::endl;
  EXPECT_GT(outcomes[0], 0);
  EXPECT_LE(growth, most_growth_kib);
  EXPECT_EQ(descriptors(), open_before);
  ASSERT_TRUE(writer_->store_vm(testing::vm_record(known_vm, 2'000'000)));
  expect_that_energy_reads("2000000\n");
}

TEST_F(HostileSession, EndsAtARequestWithoutAWholeHeader) {
  ASSERT_EQ(ask(FUSE_INIT, 0, testing::init_body()).header.error, 0);
  const auto whole = testing::request(FUSE_GETATTR, ++unique_, root_id, "").bytes();
  for (int thread = 0; thread < 2; ++thread)
    ASSERT_EQ(::send(socket_.get(), whole.data(), whole.size() - 1, MSG_NOSIGNAL),
              static_cast<ssize_t>(whole.size() - 1));
  char byte = 0;
  EXPECT_EQ(::recv(socket_.get(), &byte, 1, 0), 0) << "answered, or did not end";
}

}  // namespace
}  // namespace vpowercap
