// SPDX-License-Identifier: Apache-2.0
// The program as libvirt runs it, in every state the rest of the world may be in.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvirt-hooks/qemu_hook/test_call.hpp"

namespace vpowercap {
namespace {

TEST_F(Hook, TellsTheDaemonOfEveryPhaseKnownOrNot) {
  listen(16);
  for (const char* phase : phases) {
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

/// Where the host has no CPU for it, the program's time is over before it has done anything.
TEST_F(Hook, MakesTheDirectoryEvenIfItIsNotRunInTime) {
  if (!own_namespace) GTEST_SKIP() << "needs root for a mount namespace of its own";
  around.stopped = std::chrono::milliseconds(250);
  listen(16);
  expect_harmless({"web", "prepare", "begin", "-"}, domain(), "prepare on a host without CPU time");
  EXPECT_EQ(::access((paths.source(*Uuid::parse(uuid_text)) + "/intel-rapl").c_str(), F_OK), 0);
  EXPECT_EQ(next_frame()->get("uuid"), uuid_text);
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
  around.endless = true;
  for (const char* phase : {"start", "prepare"}) {
    expect_harmless({"web", phase, "begin", "-"}, "", std::string(phase) + ", input that never ends");
    EXPECT_EQ(next_frame()->get("phase"), phase);
  }
}

/// Where the host has no CPU for libvirtd, the XML comes late, but without it there is no directory.
TEST_F(Hook, WaitsForTheUuidAtPrepare) {
  if (!own_namespace) GTEST_SKIP() << "needs root for a mount namespace of its own";
  listen(16);
  around.late = std::chrono::milliseconds(400);
  expect_harmless_prepare("prepare, input 400 ms late");
  EXPECT_EQ(::access((paths.source(*Uuid::parse(uuid_text)) + "/intel-rapl").c_str(), F_OK), 0);
  EXPECT_EQ(next_frame()->get("xml"), domain());
}

TEST_F(Hook, WaitsForNothingBehindTheUuidAtPrepare) {
  if (!own_namespace) GTEST_SKIP() << "needs root for a mount namespace of its own";
  listen(16);
  around.endless = true;
  auto outcome = run({"web", "prepare", "begin", "-"}, domain());
  outcome.most = std::chrono::milliseconds(2000);
  check(outcome, "prepare, input that does not end behind the UUID");
  EXPECT_EQ(::access((paths.source(*Uuid::parse(uuid_text)) + "/intel-rapl").c_str(), F_OK), 0);
  EXPECT_EQ(next_frame()->get("xml"), domain());
}

/// Another program makes the base of all shares and hangs: at prepare it is waited for, as the
/// directory is needed, at any other phase not.
TEST_F(Hook, WaitsForNoMakerOfTheShareThatHangs) {
  if (!own_namespace) GTEST_SKIP() << "needs root for a mount namespace of its own";
  const UniqueFd lock(
      ::open((paths.run_dir + "/share.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
  for (const char* phase : phases)
    expect_harmless({"web", phase, "begin", "-"}, domain(),
                    std::string(phase) + ", share.lock held by another");
  EXPECT_NE(::access(paths.source(*Uuid::parse(uuid_text)).c_str(), F_OK), 0);
}

TEST_F(Hook, DoesWithAnyOfItsDescriptorsClosed) {
  listen(16);
  for (const auto& closed : std::vector<std::set<int>>{{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 1, 2}}) {
    around.closed = closed;
    expect_harmless_prepare(std::to_string(closed.size()) + " descriptors closed");
    const auto frame = next_frame();
    ASSERT_TRUE(frame) << frame.error().message;
    EXPECT_EQ(frame->get("phase"), "prepare");
    EXPECT_EQ(frame->get("uuid"), closed.contains(0) ? "" : uuid_text);
  }
}

TEST_F(Hook, DoesWithAnOutputThatTakesNothing) {
  listen(16);
  around.output = "/dev/full";
  expect_harmless_prepare("output is full");
  EXPECT_EQ(next_frame()->get("uuid"), uuid_text);
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
  const auto crowd = fill_queue();
  for (const char* phase : phases)
    expect_harmless({"web", phase, "begin", "-"}, domain(), std::string(phase) + ", queue full");
}

TEST_F(Hook, WaitsForNoDaemonThatIsStopped) {
  listen(16);
  for (int i = 0; i < 3; ++i)
    expect_harmless({"web", "prepare", "begin", "-"}, domain(100'000), "daemon that reads nothing");
  listener.reset();
  expect_harmless({"web", "prepare", "begin", "-"}, domain(), "socket nobody listens on");
}

}  // namespace
}  // namespace vpowercap
