// SPDX-License-Identifier: Apache-2.0
// Attempts that take names: opening with any flags, making, moving and removing.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tests/hostile/attack.hpp"

namespace vpowercap::testing {
namespace {

constexpr int temporary_file_bit = O_TMPFILE & ~O_DIRECTORY;

void close_open(int fd) {
  if (fd >= 0) ::close(fd);
}

mode_t mode_of(Attack& attack) { return static_cast<mode_t>(attack.below(010000)); }

std::string last_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// Flags as they come; what would make a file is tried by open_new().
void open_any(Attack& attack) {
  const auto flags = static_cast<int>(attack.random()) & ~(O_CREAT | temporary_file_bit);
  const int fd = ::openat(attack.root(), attack.any().c_str(), flags | O_NONBLOCK, 0);
  attack.note("open", fd);
  close_open(fd);
  open_how how{};
  how.flags =
      attack.chance(2) ? attack.number() & ~std::uint64_t{O_CREAT | temporary_file_bit} : O_RDONLY;
  how.resolve = attack.below(64);
  const auto path = attack.any();
  const auto opened =
      static_cast<int>(::syscall(SYS_openat2, attack.root(), path.c_str(), &how, sizeof how));
  // A new kernel's flags are unknown to an old one, and it may have been asked to stay on one mount.
  if (opened >= 0 || (errno != EXDEV && errno != EAGAIN && errno != E2BIG))
    attack.note("openat2", opened);
  close_open(opened);
}

void open_new(Attack& attack) {
  const auto flags = (static_cast<int>(attack.random()) & ~(temporary_file_bit | O_PATH)) | O_CREAT;
  const int made = ::openat(attack.root(), attack.odd().c_str(), flags, mode_of(attack));
  attack.note("open of a new file", made);
  close_open(made);
  const auto access = attack.chance(2) ? O_RDWR : O_WRONLY;
  const int temporary = ::openat(attack.root(), attack.any().c_str(), O_TMPFILE | access, 0600);
  attack.note("open of a temporary file", temporary);
  close_open(temporary);
}

void make(Attack& attack) {
  static constexpr mode_t types[] = {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFDIR, 0, 0170000};
  attack.note("mkdir", ::mkdirat(attack.root(), attack.any().c_str(), mode_of(attack)));
  attack.note("mknod", ::mknodat(attack.root(), attack.any().c_str(),
                                 attack.one_of(types) | mode_of(attack), attack.number()));
  attack.note("symlink", ::symlinkat(attack.any().c_str(), attack.root(), attack.any().c_str()));
  attack.note("link", ::linkat(attack.root(), attack.any().c_str(), attack.root(), attack.odd().c_str(),
                               attack.chance(2) ? AT_SYMLINK_FOLLOW : 0));
  const int fd = attack.open_known(O_PATH);
  attack.note("link", ::linkat(fd, "", attack.root(), attack.odd().c_str(), AT_EMPTY_PATH));
  close_open(fd);
}

void move(Attack& attack) {
  static constexpr unsigned flags[] = {0,  RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT, 7, 8,
                                       ~0u};
  const auto from = attack.any();
  const auto to = attack.any();
  if (last_name(from) == last_name(to)) return;  // a move of a file to itself succeeds by rights
  attack.note("rename", ::renameat2(attack.root(), from.c_str(), attack.root(), to.c_str(),
                                    attack.one_of(flags)));
}

void remove(Attack& attack) {
  attack.note("unlink",
              ::unlinkat(attack.root(), attack.any().c_str(), attack.chance(2) ? AT_REMOVEDIR : 0));
}

constexpr Attempt all[] = {{"opens", open_any},
                           {"new files", open_new},
                           {"making", make},
                           {"moving", move},
                           {"removing", remove}};

}  // namespace

std::span<const Attempt> name_attempts() { return all; }

}  // namespace vpowercap::testing
