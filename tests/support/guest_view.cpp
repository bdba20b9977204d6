// SPDX-License-Identifier: Apache-2.0
// The process behind a GuestView.
#include "tests/support/guest_view.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <stdexcept>

namespace vpowercap::testing {
namespace {

std::string content_of(const char* path) {
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  const auto size = file ? ::read(file.get(), buffer, sizeof buffer) : -1;
  return size < 0 ? "error " + std::to_string(errno)
                  : std::string(buffer, static_cast<std::size_t>(size));
}

[[noreturn]] void be_the_guest(const std::string& source, int requests, int answers) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool ready = ::unshare(CLONE_NEWNS) == 0 &&
                     ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0 &&
                     ::mount(source.c_str(), source.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0 &&
                     ::chdir(source.c_str()) == 0;
  if (::send(answers, ready ? "y" : "n", 1, 0) != 1) ::_exit(1);
  char path[4096];
  for (;;) {
    const auto size = ::recv(requests, path, sizeof path - 1, 0);
    if (size <= 0) ::_exit(0);
    path[size] = '\0';
    const auto content = content_of(path);
    if (::send(answers, content.data(), content.size(), MSG_NOSIGNAL) < 0) ::_exit(1);
  }
}

}  // namespace

GuestView::GuestView(const std::string& source) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    throw std::runtime_error("cannot make a socket pair");
  requests_.reset(pair[0]);
  answers_.reset(pair[1]);
  pid_ = ::fork();
  if (pid_ == 0) {
    requests_.reset();
    be_the_guest(source, answers_.get(), answers_.get());
  }
  answers_.reset();
  char ready = 'n';
  if (::recv(requests_.get(), &ready, 1, 0) != 1 || ready != 'y')
    throw std::runtime_error("cannot take " + source + " into another mount namespace");
}

GuestView::~GuestView() {
  if (pid_ > 0 && ::kill(pid_, SIGKILL) == 0) ::waitpid(pid_, nullptr, 0);
}

std::string GuestView::read(const std::string& path) {
  char buffer[4096];
  if (::send(requests_.get(), path.data(), path.size(), MSG_NOSIGNAL) < 0)
    return "error: guest is gone";
  const auto size = ::recv(requests_.get(), buffer, sizeof buffer, 0);
  return size < 0 ? "error: guest is gone" : std::string(buffer, static_cast<std::size_t>(size));
}

}  // namespace vpowercap::testing
