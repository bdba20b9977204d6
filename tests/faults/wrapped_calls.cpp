// SPDX-License-Identifier: Apache-2.0
// The wrapped system calls.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>

#include "tests/faults/next_fault.hpp"

namespace {

using vpowercap::testing::Call;
using vpowercap::testing::FaultKind;
using vpowercap::testing::next_fault;
using vpowercap::testing::watches_calls;

std::string path_of(int fd) {
  std::array<char, 4096> target;
  const auto link = "/proc/self/fd/" + std::to_string(fd);
  const auto length = ::readlink(link.c_str(), target.data(), target.size());
  return length < 0 ? "" : std::string(target.data(), static_cast<std::size_t>(length));
}

std::string path_of(int directory, const char* name) {
  return name[0] == '/' || directory == AT_FDCWD ? name : path_of(directory) + "/" + name;
}

/// A wrapped call that can only fail: -1 and errno when it does.
bool fails(Call call, const std::string& path) {
  const int before = errno;
  const auto* kind = next_fault(call, path);
  errno = kind != nullptr ? kind->error : before;
  return kind != nullptr;
}

/// A wrapped read.
template <typename Read>
ssize_t read_badly(int fd, void* buffer, Read read) {
  const auto* kind = !watches_calls() ? nullptr : next_fault(Call::read, path_of(fd));
  if (kind == nullptr) return read();
  if (kind->error != 0) {
    errno = kind->error;
    return -1;
  }
  if (kind->read == FaultKind::Read::empty) return 0;
  const auto got = read();
  if (got < 1) return got;
  if (kind->read == FaultKind::Read::shortened) return got > 1 ? got / 2 : got;
  for (ssize_t i = 0; i < got; ++i)
    static_cast<char*>(buffer)[i] = static_cast<char>(0xa0 + i * 7 % 90);
  return got;
}

}  // namespace

// The linker gives calls of X to __wrap_X and those of __real_X to X.
extern "C" {
int __real_openat64(int, const char*, int, mode_t);
int __real_access(const char*, int);
int __real_faccessat(int, const char*, int, int);
int __real_fstatat64(int, const char*, struct stat*, int);
DIR* __real_opendir(const char*);
DIR* __real_fdopendir(int);
dirent* __real_readdir64(DIR*);
ssize_t __real_read(int, void*, size_t);
ssize_t __real_pread64(int, void*, size_t, off_t);

int __wrap_openat64(int directory, const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (watches_calls() && fails(Call::open, path_of(directory, name))) return -1;
  return __real_openat64(directory, name, flags, mode);
}
int __wrap_access(const char* name, int mode) {
  return fails(Call::look, name) ? -1 : __real_access(name, mode);
}
int __wrap_faccessat(int directory, const char* name, int mode, int flags) {
  if (watches_calls() && fails(Call::look, path_of(directory, name))) return -1;
  return __real_faccessat(directory, name, mode, flags);
}
int __wrap_fstatat64(int directory, const char* name, struct stat* status, int flags) {
  if (watches_calls() && fails(Call::look, path_of(directory, name))) return -1;
  return __real_fstatat64(directory, name, status, flags);
}
DIR* __wrap_opendir(const char* name) {
  return fails(Call::open, name) ? nullptr : __real_opendir(name);
}
DIR* __wrap_fdopendir(int fd) {
  if (watches_calls() && fails(Call::open, path_of(fd))) return nullptr;
  return __real_fdopendir(fd);
}
dirent* __wrap_readdir64(DIR* directory) {
  if (watches_calls() && fails(Call::list, path_of(::dirfd(directory)))) return nullptr;
  return __real_readdir64(directory);
}
ssize_t __wrap_read(int fd, void* buffer, size_t size) {
  return read_badly(fd, buffer, [&] { return __real_read(fd, buffer, size); });
}
ssize_t __wrap_pread64(int fd, void* buffer, size_t size, off_t offset) {
  return read_badly(fd, buffer, [&] { return __real_pread64(fd, buffer, size, offset); });
}
}
