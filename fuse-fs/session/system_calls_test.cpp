// SPDX-License-Identifier: Apache-2.0
#include "fuse-fs/session/system_calls.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>
#include <thread>

namespace vpowercap {
namespace {

struct Call {
  const char* name;
  std::function<long()> make;
};

/// The errno of a call in a process that has restricted itself, 0 when it succeeds.
int outcome(const std::function<long()>& make) {
  const auto child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    restrict_system_calls();
    errno = 0;
    ::_exit(make() == -1 ? errno : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct SystemCalls : ::testing::Test {
  void SetUp() override {
    if (!restricts_system_calls) GTEST_SKIP() << "a sanitizer makes calls of its own";
  }
};

/// What is opened and answered needs to go on.
TEST_F(SystemCalls, WhatTheServerNeedsIsAllowed) {
  EXPECT_EQ(outcome([] {
              char text[16];
              const int fd = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
              return ::pread(fd, text, sizeof text, 0) == sizeof text ? ::close(fd) : -1;
            }),
            0);
  EXPECT_EQ(outcome([] {
              int value = 0;
              std::thread([&value] { value = 1; }).join();
              return value == 1 ? 0 : -1;
            }),
            0);
  EXPECT_EQ(outcome([] {
              return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                            0) == MAP_FAILED
                         ? -1
                         : 0;
            }),
            0);
}

TEST_F(SystemCalls, EverythingElseFails) {
  const auto parent = ::getpid();
  const std::string path = ::testing::TempDir() + "system_calls_test";
  char* no_arguments[] = {nullptr};
  const Call calls[] = {
      {"socket", [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); }},
      {"connect", [] { return ::syscall(SYS_connect, 0, nullptr, 0); }},
      {"execve", [&] { return ::execve("/bin/true", no_arguments, no_arguments); }},
      {"fork", [] { return ::syscall(SYS_fork); }},
      {"clone", [] { return ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0); }},
      {"unshare", [] { return ::unshare(CLONE_NEWUSER); }},
      {"open to write", [] { return ::open("/dev/zero", O_WRONLY | O_CLOEXEC); }},
      {"open to read and write", [] { return ::open("/dev/zero", O_RDWR | O_CLOEXEC); }},
      {"create", [&] { return ::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0600); }},
      {"truncate", [] { return ::open("/dev/zero", O_RDONLY | O_TRUNC | O_CLOEXEC); }},
      {"openat2", [] { return ::syscall(SYS_openat2, AT_FDCWD, "/", nullptr, 0); }},
      {"unlink", [&] { return ::unlink(path.c_str()); }},
      {"chmod", [] { return ::chmod("/proc", 0); }},
      {"mount", [] { return ::mount("a", "/", "tmpfs", 0, nullptr); }},
      {"setuid", [] { return ::setuid(0); }},
      {"kill", [=] { return ::kill(parent, 0); }},
      {"tgkill", [=] { return ::syscall(SYS_tgkill, parent, parent, 0); }},
      {"ptrace", [=] { return ::ptrace(PTRACE_SEIZE, parent, nullptr, nullptr); }},
      {"process_vm_readv", [=] { return ::process_vm_readv(parent, nullptr, 0, nullptr, 0, 0); }},
      {"executable memory",
       [] {
         return ::syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                          -1, 0);
       }},
      {"memory made executable", [] { return ::syscall(SYS_mprotect, nullptr, 0, PROT_EXEC); }},
      {"io_uring", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
      {"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
      {"ioctl", [] { return ::syscall(SYS_ioctl, 0, 0, nullptr); }},
      {"a call that does not exist", [] { return ::syscall(100'000); }},
  };
  for (const auto& call : calls) EXPECT_EQ(outcome(call.make), EPERM) << call.name;
}

}  // namespace
}  // namespace vpowercap
