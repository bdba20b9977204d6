// SPDX-License-Identifier: Apache-2.0
// The shell around the program: what libvirt runs.
#include <sys/stat.h>
#include <unistd.h>

#include "libvirt-hooks/qemu_hook/test_wrapper.hpp"

namespace vpowercap {
namespace {

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

/// What the program has started ends with it: a call that leaves a process is not harmless.
TEST_F(Wrapper, SucceedsInSilenceAtEveryPhase) {
  listen(64);
  for (const auto& [what, path] :
       {std::pair<std::string, std::string>{"program there", HOOK_PROGRAM},
        {"program deleted", "/nowhere/vpowercap-qemu-hook"},
        {"program hangs", script("echo noise; sleep 20; touch '" + dir.path("waited") + "'")}}) {
    put(path);
    for (const char* phase : phases)
      expect_harmless({"web", phase, "begin", "-"}, domain(), std::string(phase) + ", " + what);
  }
  EXPECT_NE(::access(dir.path("waited").c_str(), F_OK), 0);
}

TEST_F(Wrapper, GivesTheDirectoryMoreTime) {
  const std::string made = dir.path("made");
  put(script("sleep 0.3; touch '" + made + "'"));
  expect_harmless({"web", "start", "begin", "-"}, domain(), "start, a slow program");
  EXPECT_NE(::access(made.c_str(), F_OK), 0);
  expect_harmless_prepare("prepare, a slow program");
  EXPECT_EQ(::access(made.c_str(), F_OK), 0);
  dir.remove("made");
  put(script("sleep 20; touch '" + made + "'"));
  expect_harmless_prepare("prepare, a program that hangs");
  EXPECT_NE(::access(made.c_str(), F_OK), 0);
}

TEST_F(Wrapper, DoesWithoutDescriptors) {
  put(HOOK_PROGRAM);
  listen(16);
  around.closed = {0, 1, 2};
  expect_harmless_prepare("descriptors 0, 1 and 2 closed");
  EXPECT_EQ(next_frame()->get("phase"), "prepare");
}

/// At reconnect libvirt kills the VM whose hook fails: a shell that cannot fork must not.
TEST_F(Wrapper, SucceedsWhereNoMoreProcessCanBeMade) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become a user without other processes";
  const std::string mark = dir.path("ran");
  put(script("touch '" + mark + "'"));
  ::chmod(dir.path().c_str(), 0777);
  around.user = 54321;
  expect_harmless({"web", "reconnect", "begin", "-"}, domain(), "may fork");
  EXPECT_EQ(::access(mark.c_str(), F_OK), 0);
  dir.remove("ran");
  around.processes = 1;
  expect_harmless({"web", "reconnect", "begin", "-"}, domain(), "cannot fork");
  EXPECT_NE(::access(mark.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace vpowercap
