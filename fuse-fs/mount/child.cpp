// SPDX-License-Identifier: Apache-2.0
// fork, exec, waitpid.
#include "fuse-fs/mount/child.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

namespace vpowercap {
namespace {

constexpr Nanoseconds pause = std::chrono::milliseconds(5);

void unblock_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

Child::~Child() {
  if (running()) end(Nanoseconds(0));
}

/// True in the child.
Result<bool> Child::fork_here(Nanoseconds now) {
  const auto pid = ::fork();
  if (pid < 0) return fail_errno(errno, "cannot start a process");
  if (pid == 0) {
    unblock_signals();
    return true;
  }
  pid_ = pid;
  started_ = now;
  return false;
}

Result<void> Child::start_program(const std::vector<std::string>& command, std::span<const int> fds,
                                  Nanoseconds now) {
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const auto in_child = fork_here(now);
  if (!in_child) return tl::unexpected(in_child.error());
  if (!*in_child) return {};
  for (const int fd : fds) ::fcntl(fd, F_SETFD, 0);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

Result<void> Child::start_function(const std::function<int(int)>& body, int kept, Nanoseconds now) {
  const auto in_child = fork_here(now);
  if (!in_child) return tl::unexpected(in_child.error());
  if (!*in_child) return {};
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  constexpr int first = STDERR_FILENO + 1;
  if (kept != first) ::dup3(kept, first, O_CLOEXEC);
  ::close_range(first + 1, ~0U, 0);
  ::_exit(body(first));
}

std::string Ending::text() const {
  if (signal != 0) return "killed by signal " + std::to_string(signal);
  if (code == 127) return "could not be run";
  return code == 0 ? "ended" : "exited with " + std::to_string(code);
}

std::optional<Ending> Child::reap() {
  int status = 0;
  if (!running() || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  return WIFSIGNALED(status) ? Ending{WTERMSIG(status), 0} : Ending{0, WEXITSTATUS(status)};
}

bool Child::wait_for(Nanoseconds patience) {
  for (Nanoseconds waited{0}; waited <= patience; waited += pause) {
    if (reap()) return true;
    std::this_thread::sleep_for(pause);
  }
  return false;
}

bool Child::end(Nanoseconds patience) {
  if (!running()) return true;
  if (patience > Nanoseconds(0)) {
    ::kill(pid_, SIGTERM);
    if (wait_for(patience)) return true;
  }
  ::kill(pid_, SIGKILL);
  const bool gone = wait_for(std::chrono::seconds(1));
  pid_ = -1;
  return gone;
}

}  // namespace vpowercap
