// SPDX-License-Identifier: Apache-2.0
#include "host/control/control_server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <thread>

#include "common/base/unique_fd.hpp"
#include "common/wire/unix_address.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

/// Takes all descriptors that the process may still have, until its end.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    few.rlim_cur = 256;
    ::setrlimit(RLIMIT_NOFILE, &few);
    while (UniqueFd fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}) taken_.push_back(std::move(fd));
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  void free(std::size_t count) { taken_.resize(taken_.size() - count); }

 private:
  rlimit before_{};
  std::vector<UniqueFd> taken_;
};

/// A server that answers each request with its own fields, and remembers the rest.
struct Control : ::testing::Test {
  testing::TempDir dir;
  std::string path = dir.path("control");
  std::vector<Frame> hooks;
  std::vector<Error> problems;
  std::size_t answer_size = 0;
  int requests = 0;

  Result<ControlServer> open(const std::string& group = "") {
    return ControlServer::open(path, group,
                               {[this](const Frame& frame) { hooks.push_back(frame); },
                                [this](const Frame& frame) {
                                  ++requests;
                                  Frame answer{"answer", frame.fields};
                                  if (answer_size > 0)
                                    answer.fields["bulk"] = std::string(answer_size, 'x');
                                  return answer;
                                },
                                [this](const Error& error) { problems.push_back(error); }});
  }
  [[nodiscard]] UniqueFd connect() const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto address = unix_address(path);
    if (::connect(fd.get(), as_sockaddr(*address), sizeof *address) != 0) fd.reset();
    return fd;
  }
  static bool is_readable(const ControlServer& server) {
    pollfd ready{server.fd(), POLLIN, 0};
    return ::poll(&ready, 1, 0) == 1;
  }
  /// What becomes of a message of a process of the user 65534 with one group; errno when it cannot
  /// connect.
  int send_as(gid_t group, const Frame& frame) const {
    const std::string bytes = *encode(frame);
    const pid_t child = ::fork();
    if (child == 0) {
      if (::setgroups(0, nullptr) != 0 || ::setgid(group) != 0 || ::setuid(65534) != 0) ::_exit(255);
      const auto client = connect();
      if (!client) ::_exit(errno);
      ::_exit(::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0 ? 0 : 255);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  static void send(const UniqueFd& fd, std::string_view bytes) {
    ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  /// True when the server closed its end and nothing more is to be read.
  static bool closed(const UniqueFd& fd) {
    char byte;
    return ::recv(fd.get(), &byte, 1, MSG_DONTWAIT) == 0;
  }
  Result<Frame> ask(ControlServer& server, const Frame& request) const {
    std::atomic<bool> done = false;
    Result<Frame> answer;
    std::thread client([&] {
      answer = control_request(path, request);
      done = true;
    });
    while (!done) {
      pollfd ready{server.fd(), POLLIN, 0};
      ::poll(&ready, 1, 10);
      server.serve();
    }
    client.join();
    return answer;
  }
};

TEST_F(Control, AnswersEachRequestWithOneFrame) {
  auto server = open();
  ASSERT_TRUE(server);
  const auto answer = ask(*server, {"list", {{"vm", "größe\n"}}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(*answer, (Frame{"answer", {{"vm", "größe\n"}}}));
  EXPECT_TRUE(hooks.empty());
  EXPECT_TRUE(problems.empty());
}

TEST_F(Control, CarriesTheLongestFrameBothWays) {
  auto server = open();
  ASSERT_TRUE(server);
  const std::string longest(max_frame_size - 64, 'x');
  const auto answer = ask(*server, {"list", {{"text", longest}}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->get("text"), longest);
}

TEST_F(Control, DeliversAHookMessageThatWasLeftBehindAndAnswersNothing) {
  auto server = open();
  ASSERT_TRUE(server);
  const Frame hook{"hook", {{"phase", "prepare"}, {"uuid", "x"}}};
  auto client = connect();
  ASSERT_TRUE(client);
  send(client, *encode(hook));
  client.reset();
  server->serve();
  EXPECT_EQ(hooks, std::vector<Frame>{hook});
  server->serve();
  EXPECT_EQ(hooks.size(), 1u);
  EXPECT_TRUE(problems.empty());
}

TEST_F(Control, RefusesAHookMessageOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  auto server = open();
  ASSERT_TRUE(server);
  ::chmod(dir.path().c_str(), 0755);
  ::chmod(path.c_str(), 0666);
  ASSERT_EQ(send_as(65534, {"hook", {{"phase", "prepare"}}}), 0);
  server->serve();
  EXPECT_TRUE(hooks.empty());
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].code, EPERM);
  EXPECT_NE(problems[0].message.find("user 65534"), std::string::npos);
}

TEST_F(Control, AMemberOfItsGroupMayAskButNeitherBeTheHookNorChangeCounters) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  std::array<char, 16384> buffer;
  group entry{};
  group* found = nullptr;
  ::getgrgid_r(1, &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) GTEST_SKIP() << "there is no group 1 here";
  auto server = open(found->gr_name);
  ASSERT_TRUE(server) << server.error().message;
  ::chmod(dir.path().c_str(), 0755);
  struct stat made{};
  ASSERT_EQ(::stat(path.c_str(), &made), 0);
  EXPECT_EQ(made.st_gid, 1u);
  EXPECT_EQ(made.st_mode & 07777, 0660u);

  EXPECT_EQ(send_as(65534, {"list", {}}), EACCES) << "no member";
  EXPECT_EQ(send_as(1, {"list", {}}), 0);
  server->serve();
  EXPECT_EQ(requests, 1);
  EXPECT_TRUE(problems.empty());
  for (const char* kind : {"hook", "import-state"}) {
    problems.clear();
    EXPECT_EQ(send_as(1, {kind, {{"phase", "prepare"}}}), 0);
    server->serve();
    ASSERT_EQ(problems.size(), 1u) << kind;
    EXPECT_EQ(problems[0].code, EPERM);
    EXPECT_EQ(problems[0].key, "user 65534");
  }
  EXPECT_TRUE(hooks.empty());
  EXPECT_EQ(requests, 1);
}

TEST_F(Control, WithoutADescriptorAConnectionIsRefusedAndNothingSpins) {
  auto server = open();
  ASSERT_TRUE(server);
  const auto client = connect();
  ASSERT_TRUE(client);
  {
    const NoDescriptors none;
    for (int i = 0; i < 100; ++i) server->serve();
    EXPECT_FALSE(is_readable(*server));
    EXPECT_EQ(problems.size(), 1u);
    EXPECT_TRUE(closed(client));
  }
  EXPECT_TRUE(ask(*server, {"list", {}}));
}

TEST_F(Control, WithoutASpareDescriptorConnectionsWaitUntilThereIsOne) {
  const UniqueFd client(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto address = unix_address(path);
  auto server = Result<ControlServer>(fail(ENOENT, "not yet"));
  {
    NoDescriptors none;
    none.free(2);  // for the listener and the epoll set, and no more
    server = open();
    ASSERT_TRUE(server) << server.error().message;
    ASSERT_EQ(::connect(client.get(), as_sockaddr(*address), sizeof *address), 0);
    send(client, *encode({"list", {}}));
    for (int i = 0; i < 100; ++i) server->serve();
    EXPECT_FALSE(is_readable(*server));
    EXPECT_EQ(problems.size(), 1u);
    EXPECT_FALSE(closed(client));
  }
  server->serve();
  server->serve();
  EXPECT_EQ(requests, 1);
  EXPECT_EQ(problems.size(), 1u);
}

TEST_F(Control, ClosesTheConnectionOfAMalformedOrTooLongMessage) {
  auto server = open();
  ASSERT_TRUE(server);
  for (const std::string& bytes : {std::string("rubbish"), std::string(max_frame_size + 5000, 'x')}) {
    problems.clear();
    const auto client = connect();
    send(client, bytes);
    server->serve();
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_NE(problems[0].message.find("process " + std::to_string(::getpid())), std::string::npos);
    EXPECT_TRUE(closed(client));
  }
  EXPECT_TRUE(ask(*server, {"list", {}}));
}

TEST_F(Control, AnAnswerThatFitsNoFrameIsAProblemAndNoHang) {
  auto server = open();
  ASSERT_TRUE(server);
  answer_size = max_frame_size;
  const auto answer = ask(*server, {"list", {}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, EPROTO);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].code, EMSGSIZE);
}

TEST_F(Control, ReplacesADeadSocketAndRemovesItsOwnAtTheEnd) {
  {
    const UniqueFd dead(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
    const auto address = unix_address(path);
    ASSERT_EQ(::bind(dead.get(), as_sockaddr(*address), sizeof *address), 0);
  }
  {
    auto server = open();
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_TRUE(ask(*server, {"list", {}}));
    struct stat found{};
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777, 0660u);
  }
  EXPECT_FALSE(connect());
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(Control, RefusesToReplaceALiveSocketOrAnotherKindOfFile) {
  auto server = open();
  ASSERT_TRUE(server);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, EADDRINUSE);
  EXPECT_TRUE(ask(*server, {"list", {}}));
  dir.write("file", "precious");
  path = dir.path("file");
  EXPECT_EQ(open().error().code, EEXIST);
}

TEST_F(Control, AHundredIdleConnectionsDoNotBlockARequest) {
  auto server = open();
  ASSERT_TRUE(server);
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 100; ++i) {
    idle.push_back(connect());
    ASSERT_TRUE(idle.back());
  }
  EXPECT_TRUE(ask(*server, {"list", {}}));
  EXPECT_TRUE(closed(idle.front()));
  EXPECT_FALSE(closed(idle.back()));
}

TEST_F(Control, ARequestSentBeforeACrowdArrivedIsServed) {
  auto server = open();
  ASSERT_TRUE(server);
  const auto first = connect();
  send(first, *encode({"list", {}}));
  std::vector<UniqueFd> crowd;
  for (int i = 0; i < 100; ++i) crowd.push_back(connect());
  server->serve();
  std::string answer(100, '\0');
  EXPECT_GT(::recv(first.get(), answer.data(), answer.size(), MSG_DONTWAIT), 0);
}

TEST_F(Control, WithoutADaemonARequestFailsWithItsPath) {
  const auto answer = control_request(path, {"list", {}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ENOENT);
  EXPECT_NE(answer.error().message.find(path), std::string::npos);
}

TEST_F(Control, ADaemonThatDoesNotAnswerCostsTwoSecondsAndNoMore) {
  auto server = open();  // never served
  ASSERT_TRUE(server);
  const auto answer = control_request(path, {"list", {}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ETIMEDOUT);
}

}  // namespace
}  // namespace vpowercap
