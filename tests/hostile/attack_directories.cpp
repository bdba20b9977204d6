// SPDX-License-Identifier: Apache-2.0
// Attempts on directories, and thousands of descriptors at once.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/hostile/attack.hpp"

namespace vpowercap::testing {
namespace {

constexpr std::size_t most_descriptors = 1000;  // of each process

void list(Attack& attack) {
  static constexpr std::size_t sizes[] = {0, 1, 19, 24, 25, 64, 100, 4096, 65536};
  const int fd = attack.open_known(attack.chance(2) ? O_DIRECTORY : 0);
  if (fd < 0) return;
  for (int i = 0; i < 8; ++i) {
    if (attack.chance(2))
      attack.note("lseek", ::lseek(fd, static_cast<off_t>(attack.number()), SEEK_SET));
    attack.note("getdents64", ::syscall(SYS_getdents64, fd, attack.buffer(), attack.one_of(sizes)));
  }
  ::close(fd);
}

/// Into a directory of the tree and back, as another way to hold on to it.
void enter(Attack& attack) {
  attack.note("chdir", ::fchdir(attack.root()));
  attack.note("chdir", ::chdir(attack.any().c_str()));
  if (::chdir("/") != 0) ::_exit(2);
}

/// As many as the process may have open, each read once, all closed again.
void hold_many(Attack& attack) {
  if (!attack.chance(60)) return;  // it takes as long as thousands of others
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  std::vector<int> held;
  while (held.size() < most_descriptors) {
    const int fd = ::openat(attack.root(), attack.known().c_str(), O_RDONLY | O_CLOEXEC);
    attack.note("open", fd);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) break;
    if (fd >= 0) held.push_back(fd);
  }
  for (const int fd : held) {
    attack.note("pread", ::pread(fd, attack.buffer(), 64, 0));
    ::close(fd);
  }
}

constexpr Attempt all[] = {{"listings", list}, {"entering", enter}, {"holding many", hold_many}};

}  // namespace

std::span<const Attempt> directory_attempts() { return all; }

}  // namespace vpowercap::testing
