// SPDX-License-Identifier: Apache-2.0
// The hook's process and its surroundings.
#include "libvirt-hooks/qemu_hook/test_call.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <thread>

#include "common/base/file.hpp"
#include "common/wire/unix_address.hpp"

namespace vpowercap {
namespace {

using std::chrono::milliseconds;

/// In the child: becomes the hook. Never returns.
[[noreturn]] void become_hook(const Surroundings& around, int input, int output, char** arguments) {
  ::dup2(input, 0);
  const int file = around.output == nullptr ? output : ::open(around.output, O_WRONLY | O_CLOEXEC);
  ::dup2(file, 1);
  ::dup2(file, 2);
  for (const int fd : around.closed) ::close(fd);
  if (around.processes) {
    const rlimit limit{*around.processes, *around.processes};
    ::setrlimit(RLIMIT_NPROC, &limit);
  }
  if (around.user != 0 && (::setgid(around.user) != 0 || ::setuid(around.user) != 0)) ::_exit(126);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

/// Reaps what a call left to us; whether any of it was alive a second later.
bool left_child() {
  for (int tries = 0; tries < 100; ++tries) {
    const pid_t reaped = ::waitpid(-1, nullptr, WNOHANG);
    if (reaped < 0 && errno == ECHILD) return false;
    if (reaped == 0) std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

}  // namespace

std::string domain(std::size_t padding) {
  return "<domain type='qemu'>\n  <name>web</name>\n  <uuid>" + std::string(uuid_text) +
         "</uuid>\n  <description>" + std::string(padding, 'x') + "</description>\n</domain>\n";
}

bool Hook::own_namespace = false;

void Hook::SetUpTestSuite() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  own_namespace =
      ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

Hook::~Hook() {
  for (const auto& path : {paths.share(), paths.share_rw(), paths.run_dir})
    ::umount2(path.c_str(), MNT_DETACH);
}

void Hook::listen(int backlog, int type) {
  listener.reset(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto address = unix_address(paths.control());
  ASSERT_EQ(::bind(listener.get(), as_sockaddr(*address), sizeof *address), 0);
  if (type == SOCK_DGRAM) return;
  ASSERT_EQ(::listen(listener.get(), backlog), 0);
}

std::vector<UniqueFd> Hook::fill_queue() const {
  std::vector<UniqueFd> crowd;
  const auto address = unix_address(paths.control());
  for (;;) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(fd.get(), as_sockaddr(*address), sizeof *address) != 0) break;
    crowd.push_back(std::move(fd));
  }
  EXPECT_EQ(errno, EAGAIN);
  return crowd;
}

Result<Frame> Hook::next_frame() const {
  const UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client) return fail_errno(errno, "accept");
  std::string bytes(max_frame_size, '\0');
  const ssize_t got = ::recv(client.get(), bytes.data(), bytes.size(), 0);
  if (got < 0) return fail_errno(errno, "recv");
  return decode(std::string_view(bytes).substr(0, static_cast<std::size_t>(got)));
}

Outcome Hook::run(const std::vector<std::string>& words, const std::string& input) const {
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
  if (child == 0) become_hook(around, in_read.get(), out_write.get(), arguments.data());
  out_write.reset();
  in_read.reset();
  if (around.stopped > milliseconds(0)) {
    std::this_thread::sleep_for(milliseconds(40));  // it waits for its input then
    ::kill(child, SIGSTOP);
    std::this_thread::sleep_for(around.stopped);
  }
  std::this_thread::sleep_for(around.late);
  ::signal(SIGPIPE, SIG_IGN);
  (void)write_all(in_write.get(), input);
  if (!around.endless) in_write.reset();
  if (around.stopped > milliseconds(0)) ::kill(child, SIGCONT);
  Outcome outcome;
  char buffer[4096];
  for (ssize_t got; (got = ::read(out_read.get(), buffer, sizeof buffer)) > 0;)
    outcome.output.append(buffer, static_cast<std::size_t>(got));
  ::waitpid(child, &outcome.status, 0);
  outcome.took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begin);
  outcome.most = milliseconds(words.size() > 1 && words[1] == "prepare" ? 5000 : 2000);
  outcome.left_child = left_child();
  return outcome;
}

void Hook::check(const Outcome& outcome, const std::string& what) {
  EXPECT_EQ(outcome.status, 0) << what;
  EXPECT_EQ(outcome.output, "") << what;
  EXPECT_LT(outcome.took, outcome.most) << what;
  EXPECT_FALSE(outcome.left_child) << what;
  std::cout << "    " << what << ": " << outcome.took.count() << " ms\n";
}

}  // namespace vpowercap
