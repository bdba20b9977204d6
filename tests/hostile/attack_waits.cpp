// SPDX-License-Identifier: Apache-2.0
// Attempts to wait for files, to lock them and to be told of them. Nothing here may block.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <unistd.h>

#include "tests/hostile/attack.hpp"

namespace vpowercap::testing {
namespace {

void wait(Attack& attack) {
  const int fd = attack.open_known();
  if (fd < 0) return;
  pollfd polled{fd, static_cast<short>(attack.random()), 0};
  attack.note("poll", ::poll(&polled, 1, 0));
  if (fd < FD_SETSIZE) {
    fd_set sets[3];
    for (auto& set : sets) {
      FD_ZERO(&set);
      FD_SET(fd, &set);
    }
    timeval none{};
    attack.note("select", ::select(fd + 1, &sets[0], &sets[1], &sets[2], &none));
  }
  const int many = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{static_cast<std::uint32_t>(attack.random()), {}};
  attack.note("epoll_ctl",
              ::epoll_ctl(many, attack.chance(4) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event));
  attack.note("epoll_wait", ::epoll_wait(many, &event, 1, 0));
  ::close(many);
  ::close(fd);
}

void lock(Attack& attack) {
  const int fd = attack.open_known();
  if (fd < 0) return;
  attack.note("flock", ::flock(fd, static_cast<int>(attack.below(16)) | LOCK_NB));
  static constexpr int commands[] = {F_GETLK, F_SETLK, F_OFD_GETLK, F_OFD_SETLK};
  static constexpr short types[] = {F_RDLCK, F_WRLCK, F_UNLCK, 9};
  struct flock range{};
  range.l_type = attack.one_of(types);
  range.l_whence = static_cast<short>(attack.below(4));
  range.l_start = static_cast<off_t>(attack.number());
  range.l_len = static_cast<off_t>(attack.number());
  attack.note("fcntl lock", ::fcntl(fd, attack.one_of(commands), &range));
  attack.note("fcntl lease",
              ::fcntl(fd, attack.chance(2) ? F_SETLEASE : F_GETLEASE, attack.one_of(types)));
  attack.note("fcntl notify", ::fcntl(fd, F_NOTIFY, static_cast<int>(attack.number())));
  ::close(fd);
}

void be_told(Attack& attack) {
  const int watcher = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (watcher >= 0 && ::fchdir(attack.root()) == 0)
    for (int i = 0; i < 4; ++i)
      attack.note("inotify_add_watch",
                  ::inotify_add_watch(watcher, attack.any().c_str(),
                                      static_cast<std::uint32_t>(attack.number())));
  if (::chdir("/") != 0) ::_exit(2);
  if (watcher >= 0) ::close(watcher);
  // Notification only: who asks for permission events has to answer them, or everybody waits.
  static constexpr unsigned kinds[] = {0, FAN_REPORT_FID, FAN_REPORT_DFID_NAME};
  const int listener =
      ::fanotify_init(attack.one_of(kinds) | FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY);
  attack.note("fanotify_init", listener);
  if (listener < 0) return;
  constexpr std::uint64_t permission = FAN_OPEN_PERM | FAN_ACCESS_PERM | FAN_OPEN_EXEC_PERM;
  attack.note("fanotify_mark", ::fanotify_mark(listener, FAN_MARK_ADD, attack.number() & ~permission,
                                               attack.root(), attack.any().c_str()));
  ::close(listener);
}

constexpr Attempt all[] = {{"waiting", wait}, {"locks", lock}, {"watches", be_told}};

}  // namespace

std::span<const Attempt> waiting_attempts() { return all; }

}  // namespace vpowercap::testing
