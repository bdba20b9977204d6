// SPDX-License-Identifier: Apache-2.0
// Attempts on open files: reads and writes of all sizes, maps, ioctls, allocation.
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tests/hostile/attack.hpp"

namespace vpowercap::testing {
namespace {

/// Sizes for which buffer() has room.
std::size_t size_of(Attack& attack) {
  static constexpr std::size_t sizes[] = {0, 1, 2, 7, 511, 512, 4096, 65536, Attack::buffer_size};
  return attack.chance(2) ? attack.one_of(sizes) : attack.below(300);
}

void read_at(Attack& attack) {
  const int fd = attack.open_known(attack.chance(3) ? O_DIRECT : 0);
  if (fd < 0) return;
  for (int i = 0; i < 4; ++i) {
    const auto size = size_of(attack);
    // An address that is not aligned, for O_DIRECT.
    auto* const place = attack.buffer() + (size < Attack::buffer_size ? attack.below(2) : 0);
    attack.note("pread", ::pread(fd, place, size, static_cast<off_t>(attack.number())));
    attack.note("read", ::read(fd, place, size));
  }
  iovec parts[2] = {{attack.buffer(), attack.below(9)}, {attack.buffer() + 16, attack.below(4096)}};
  attack.note("preadv2", ::preadv2(fd, parts, 2, static_cast<off_t>(attack.number()),
                                   static_cast<int>(attack.below(32))));
  ::close(fd);
}

void write_at(Attack& attack) {
  const int fd = attack.open_known(attack.chance(3) ? O_APPEND : 0);
  if (fd < 0) return;
  const auto size = std::max<std::size_t>(1, size_of(attack));
  attack.note("write", ::write(fd, attack.buffer(), size));
  attack.note("pwrite", ::pwrite(fd, attack.buffer(), size, static_cast<off_t>(attack.number())));
  ::close(fd);
}

void seek(Attack& attack) {
  static constexpr int whence[] = {SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 7, -1};
  const int fd = attack.open_known();
  if (fd < 0) return;
  for (int i = 0; i < 6; ++i) {
    attack.note("lseek", ::lseek(fd, static_cast<off_t>(attack.number()), attack.one_of(whence)));
    attack.note("read", ::read(fd, attack.buffer(), size_of(attack)));
  }
  ::close(fd);
}

// glibc's sigsetjmp needs a place that the handler finds.
sigjmp_buf bus_error_place;
void on_bus_error(int) { siglongjmp(bus_error_place, 1); }

/// 0 or `bus_error`.
int touch(volatile char* page, bool writes) {
  struct sigaction caught{};
  caught.sa_handler = on_bus_error;
  caught.sa_flags = SA_NODEFER;
  ::sigaction(SIGBUS, &caught, nullptr);
  if (sigsetjmp(bus_error_place, 1) != 0) return bus_error;
  const char seen = *page;
  if (writes) *page = static_cast<char>(seen + 1);
  return 0;
}

void map(Attack& attack) {
  static constexpr int kinds[] = {MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE,
                                  MAP_PRIVATE | MAP_POPULATE, MAP_SHARED_VALIDATE | MAP_SYNC};
  static constexpr std::size_t page = 4096;
  const int fd = attack.open_known();
  if (fd < 0) return;
  const int protection = attack.chance(2) ? PROT_READ | PROT_WRITE : PROT_READ;
  const auto offset = attack.chance(3) ? static_cast<off_t>(attack.number()) : 0;
  auto* const place = ::mmap(nullptr, page, protection, attack.one_of(kinds), fd, offset);
  attack.note("mmap", place == MAP_FAILED ? -1 : 0);
  if (place != MAP_FAILED) {
    // Where a file is empty (uevent), or ends before, a page is a bus error by rights.
    if (offset == 0 && ::pread(fd, attack.buffer(), 1, 0) == 1)
      attack.note_outcome("touch a mapped page",
                          touch(static_cast<char*>(place), (protection & PROT_WRITE) != 0));
    attack.note("mprotect", ::mprotect(place, page, PROT_READ | PROT_WRITE));
    attack.note("msync", ::msync(place, page, MS_SYNC));
    ::munmap(place, page);
  }
  ::close(fd);
}

void control(Attack& attack) {
  static constexpr unsigned long requests[] = {TCGETS,
                                               TIOCSTI,
                                               FIONREAD,
                                               FIONBIO,
                                               FIOASYNC,
                                               FIOCLEX,
                                               FIOQSIZE,
                                               FIBMAP,
                                               FIGETBSZ,
                                               FIFREEZE,
                                               FITHAW,
                                               FITRIM,
                                               FICLONE,
                                               FICLONERANGE,
                                               FIDEDUPERANGE,
                                               BLKGETSIZE,
                                               BLKGETSIZE64,
                                               BLKROGET,
                                               BLKDISCARD,
                                               BLKZEROOUT,
                                               FS_IOC_GETFLAGS,
                                               FS_IOC_SETFLAGS,
                                               FS_IOC_FSGETXATTR,
                                               FS_IOC_FSSETXATTR,
                                               FS_IOC_GETVERSION,
                                               FS_IOC_SETVERSION,
                                               FS_IOC_FIEMAP,
                                               FS_IOC_GETFSLABEL,
                                               FS_IOC_SETFSLABEL,
                                               FS_IOC_ENABLE_VERITY,
                                               FS_IOC_MEASURE_VERITY};
  const int fd = attack.open_known();
  if (fd < 0) return;
  for (int i = 0; i < 4; ++i) {
    const auto request = attack.chance(2) ? attack.one_of(requests) : attack.random() & 0xffffffff;
    auto* const argument = attack.chance(8) ? nullptr : attack.buffer();
    attack.note("ioctl", ::ioctl(fd, request, argument));
  }
  ::close(fd);
}

void allocate(Attack& attack) {
  const int fd = attack.open_known();
  if (fd < 0) return;
  const auto offset = static_cast<off_t>(attack.number());
  const auto length = static_cast<off_t>(attack.number());
  attack.note("fallocate", ::fallocate(fd, static_cast<int>(attack.below(128)), offset, length));
  attack.note("ftruncate", ::ftruncate(fd, offset));
  attack.note("readahead", ::readahead(fd, offset, size_of(attack)));
  // It gives its error back and leaves errno alone.
  attack.note_outcome("posix_fadvise",
                      ::posix_fadvise(fd, offset, length, static_cast<int>(attack.below(8))));
  attack.note("fsync", attack.chance(2) ? ::fsync(fd) : ::fdatasync(fd));
  ::close(fd);
}

constexpr Attempt all[] = {{"reads", read_at}, {"writes", write_at}, {"seeks", seek},
                           {"maps", map},      {"ioctls", control},  {"allocations", allocate}};

}  // namespace

std::span<const Attempt> file_attempts() { return all; }

}  // namespace vpowercap::testing
