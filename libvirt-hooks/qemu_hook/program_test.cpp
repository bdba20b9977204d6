// SPDX-License-Identifier: Apache-2.0
// The program as libvirt runs it, in every state the rest of the world may be in.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>

#include "common/base/file.hpp"
#include "common/share/share.hpp"
#include "common/wire/frame.hpp"
#include "common/wire/unix_address.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using std::chrono::milliseconds;

constexpr const char* uuid_text = "c7a5fdbd-edaf-9455-926a-d65c16db1809";

std::string domain(std::size_t padding = 0) {
  return "<domain type='qemu'>\n  <name>web</name>\n  <uuid>" + std::string(uuid_text) +
         "</uuid>\n  <description>" + std::string(padding, 'x') + "</description>\n</domain>\n";
}

/// How one call went.
struct Outcome {
  int status = -1;
  std::string output;  ///< of standard output and error
  milliseconds took{0};
};

/// A run directory of its own, below a mount namespace of this program's own where that is allowed.
struct Hook : ::testing::Test {
  static bool own_namespace;
  testing::TempDir dir;
  RunPaths paths{dir.path("run")};
  std::vector<std::string> program{HOOK_PROGRAM, "--run-dir", paths.run_dir, "--"};
  UniqueFd listener;
  bool closed_descriptors = false;

  static void SetUpTestSuite() {
    own_namespace = ::unshare(CLONE_NEWNS) == 0 &&
                    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }
  Hook() { dir.make_directory("run"); }
  ~Hook() override {
    for (const auto& path : {paths.share(), paths.share_rw()}) ::umount2(path.c_str(), MNT_DETACH);
  }

  void listen(int backlog) {
    listener.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto address = unix_address(paths.control());
    ASSERT_EQ(::bind(listener.get(), as_sockaddr(*address), sizeof *address), 0);
    ASSERT_EQ(::listen(listener.get(), backlog), 0);
  }
  /// The frame of the next connection that waits, if any.
  [[nodiscard]] Result<Frame> next_frame() const {
    const UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client) return fail_errno(errno, "accept");
    std::string bytes(max_frame_size, '\0');
    const ssize_t got = ::recv(client.get(), bytes.data(), bytes.size(), 0);
    if (got < 0) return fail_errno(errno, "recv");
    return decode(std::string_view(bytes).substr(0, static_cast<std::size_t>(got)));
  }
  /// Runs the program. `input` is written to it, unless it is null: then its standard input stays
  /// open and silent.
  Outcome run(const std::vector<std::string>& words, const std::string* input) const;
  void expect_harmless(const std::vector<std::string>& words, const std::string& input,
                       const std::string& what) const {
    check(run(words, &input), what);
  }
  static void check(const Outcome& outcome, const std::string& what) {
    EXPECT_EQ(outcome.status, 0) << what;
    EXPECT_EQ(outcome.output, "") << what;
    EXPECT_LT(outcome.took, milliseconds(200)) << what;
    std::cout << "    " << what << ": " << outcome.took.count() << " ms\n";
  }
};

bool Hook::own_namespace = false;

Outcome Hook::run(const std::vector<std::string>& words, const std::string* input) const {
  std::vector<std::string> all = program;
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> arguments;
  for (auto& word : all) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  UniqueFd in_read(in[0]);
  UniqueFd in_write(in[1]);
  const UniqueFd out_read(out[0]);
  UniqueFd out_write(out[1]);
  const auto begin = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(in_read.get(), 0);
    ::dup2(out_write.get(), 1);
    ::dup2(out_write.get(), 2);
    if (closed_descriptors)
      for (int fd = 0; fd < 3; ++fd) ::close(fd);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  out_write.reset();
  in_read.reset();
  if (input != nullptr) {
    ::signal(SIGPIPE, SIG_IGN);
    (void)write_all(in_write.get(), *input);
    in_write.reset();
  }
  Outcome outcome;
  char buffer[4096];
  // The end of the output is the end of the last process that could write: no child is left behind.
  for (ssize_t got; (got = ::read(out_read.get(), buffer, sizeof buffer)) > 0;)
    outcome.output.append(buffer, static_cast<std::size_t>(got));
  ::waitpid(child, &outcome.status, 0);
  outcome.took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
  return outcome;
}

TEST_F(Hook, TellsTheDaemonOfEveryPhaseKnownOrNot) {
  listen(16);
  for (const char* phase : {"prepare", "start", "started", "stopped", "release", "migrate", "restore",
                            "reconnect", "attach", "", "no such phase"}) {
    expect_harmless({"web", phase, "begin", "-"}, domain(), std::string("phase \"") + phase + "\"");
    const auto frame = next_frame();
    ASSERT_TRUE(frame) << frame.error().message;
    EXPECT_EQ(*frame, (Frame{"hook",
                             {{"phase", phase},
                              {"sub", "begin"},
                              {"uuid", uuid_text},
                              {"name", "web"},
                              {"xml", domain()}}}));
  }
}

TEST_F(Hook, MakesTheDirectoryBeforeQemuNeedsItWhateverElseRuns) {
  if (!own_namespace) GTEST_SKIP() << "needs root for a mount namespace of its own";
  const std::string made = paths.source(*Uuid::parse(uuid_text)) + "/intel-rapl";
  struct stat found{};
  expect_harmless({"web", "stopped", "end", "-"}, domain(), "stopped");
  EXPECT_NE(::stat(made.c_str(), &found), 0);
  expect_harmless({"web", "prepare", "begin", "-"}, domain(), "prepare without a daemon");
  ASSERT_EQ(::stat(made.c_str(), &found), 0);
  EXPECT_TRUE(S_ISDIR(found.st_mode));
  expect_harmless({"web", "prepare", "begin", "-"}, domain(), "prepare once more");
}

TEST_F(Hook, LeavesOutAnXmlThatFitsNoFrame) {
  listen(16);
  expect_harmless({"web", "prepare", "begin", "-"}, domain(200'000), "XML of 200 kB");
  auto frame = next_frame();
  ASSERT_TRUE(frame) << frame.error().message;
  EXPECT_FALSE(frame->fields.contains("xml"));
  EXPECT_EQ(frame->get("uuid"), uuid_text);
  expect_harmless({"web", "prepare", "begin", "-"}, domain(8'000'000), "XML of 8 MB");
  frame = next_frame();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->get("uuid"), uuid_text);
}

TEST_F(Hook, DoesWithoutInput) {
  listen(16);
  expect_harmless({"web", "prepare", "begin", "-"}, "", "empty input");
  EXPECT_EQ(next_frame()->get("uuid"), "");
  check(run({"web", "prepare", "begin", "-"}, nullptr), "input that never ends");
  EXPECT_EQ(next_frame()->get("phase"), "prepare");
  closed_descriptors = true;
  expect_harmless({"web", "prepare", "begin", "-"}, domain(), "descriptors 0, 1 and 2 closed");
  EXPECT_EQ(next_frame()->get("phase"), "prepare");
}

TEST_F(Hook, DoesWithWrongWords) {
  listen(16);
  for (const auto& words : std::vector<std::vector<std::string>>{{},
                                                                 {"web"},
                                                                 {"--help"},
                                                                 {"-rf", "prepare"},
                                                                 {"a", "b", "c", "d", "e", "f"},
                                                                 {std::string(100'000, 'n'), "x"}})
    expect_harmless(words, domain(), std::to_string(words.size()) + " words");
}

TEST_F(Hook, DoesWithoutAnyRunDirectory) {
  program[2] = "/proc/nowhere/run";
  expect_harmless({"web", "prepare", "begin", "-"}, domain(), "impossible run directory");
  program[2] = std::string(300, 'r');
  expect_harmless({"web", "prepare", "begin", "-"}, domain(), "run directory too long for a socket");
}

TEST_F(Hook, WaitsForNoDaemonThatHangs) {
  listen(0);
  std::vector<UniqueFd> crowd;
  const auto address = unix_address(paths.control());
  for (;;) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(fd.get(), as_sockaddr(*address), sizeof *address) != 0) break;
    crowd.push_back(std::move(fd));
  }
  ASSERT_EQ(errno, EAGAIN);
  expect_harmless({"web", "prepare", "begin", "-"}, domain(), "queue of connections full");
}

TEST_F(Hook, WaitsForNoDaemonThatIsStopped) {
  listen(16);
  for (int i = 0; i < 3; ++i)
    expect_harmless({"web", "prepare", "begin", "-"}, domain(100'000), "daemon that reads nothing");
  listener.reset();
  expect_harmless({"web", "prepare", "begin", "-"}, domain(), "socket nobody listens on");
}

/// The shell around the program, with `path` in the program's place.
struct Wrapper : Hook {
  void put(const std::string& path) {
    std::ifstream file(HOOK_WRAPPER);
    std::stringstream text;
    text << file.rdbuf();
    std::string script = text.str();
    for (const auto& [mark, value] :
         {std::pair<std::string, std::string>{"@program@", path}, {"@run_dir@", paths.run_dir}})
      script.replace(script.find(mark), mark.size(), value);
    dir.write("50-vpowercap", script);
    ::chmod(dir.path("50-vpowercap").c_str(), 0755);
    program = {dir.path("50-vpowercap")};
  }
  std::string script(const std::string& body) {
    dir.write("program", "#!/bin/sh\n" + body + "\n");
    ::chmod(dir.path("program").c_str(), 0755);
    return dir.path("program");
  }
};

TEST_F(Wrapper, RunsTheProgram) {
  put(HOOK_PROGRAM);
  listen(16);
  expect_harmless({"--help", "prepare", "begin", "-"}, domain(), "wrapper");
  const auto frame = next_frame();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->get("name"), "--help");
  EXPECT_EQ(frame->get("uuid"), uuid_text);
}

TEST_F(Wrapper, SucceedsInSilenceWhateverBecameOfTheProgram) {
  put("/nowhere/vpowercap-qemu-hook");
  expect_harmless({"web", "reconnect", "begin", "-"}, domain(200'000), "program missing");
  put(script("echo noise; echo noise >&2; exit 1"));
  expect_harmless({"web", "reconnect", "begin", "-"}, domain(), "program fails");
  put(script("kill -SEGV $$"));
  expect_harmless({"web", "reconnect", "begin", "-"}, domain(), "program crashes");
  dir.write("program", "no program");
  expect_harmless({"web", "reconnect", "begin", "-"}, domain(), "program is none");
  dir.write("program", "#!/nowhere/interpreter\n");
  expect_harmless({"web", "reconnect", "begin", "-"}, domain(), "interpreter missing");
}

TEST_F(Wrapper, GivesUpOnAProgramThatHangs) {
  put(script("exec sleep 5"));
  const std::string input = domain();
  const auto outcome = run({"web", "reconnect", "begin", "-"}, &input);
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.output, "");
  EXPECT_LT(outcome.took, milliseconds(2000));
}

}  // namespace
}  // namespace vpowercap
