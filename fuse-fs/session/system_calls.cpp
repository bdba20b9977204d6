// SPDX-License-Identifier: Apache-2.0
// A list of what is allowed, for libseccomp.
#include "fuse-fs/session/system_calls.hpp"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <initializer_list>
#include <memory>
#include <system_error>

namespace vpowercap {
namespace {

constexpr int harmless[] = {
    // what is open, and what there is
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(write), SCMP_SYS(writev),
    SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(stat),
    SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
    // memory and threads
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
    SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getrandom),
    // time
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time),
    // signals, and the end
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group)};

/// Argument number `argument` has, of the bits in `mask`, those in `value`.
scmp_arg_cmp bits(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), &::seccomp_release) {
    if (!context_) throw std::bad_alloc();
  }
  void allow(int call, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    add(SCMP_ACT_ALLOW, call, conditions);
  }
  void add(std::uint32_t action, int call, std::initializer_list<scmp_arg_cmp> conditions = {}) {
    check(::seccomp_rule_add_array(context_.get(), action, call,
                                   static_cast<unsigned>(conditions.size()), conditions.begin()));
  }
  void load() { check(::seccomp_load(context_.get())); }

 private:
  static void check(int result) {
    if (result != 0)
      throw std::system_error(-result, std::generic_category(), "cannot restrict system calls");
  }
  std::unique_ptr<void, decltype(&::seccomp_release)> context_;
};

}  // namespace

void restrict_system_calls() {
  Filter filter;
  for (const int call : harmless) filter.allow(call);
  // The ledger, which may appear or be replaced later, and the time zone of the log.
  constexpr auto changes = O_ACCMODE | O_CREAT | O_TRUNC;
  filter.allow(SCMP_SYS(openat), {bits(2, changes, O_RDONLY)});
  filter.allow(SCMP_SYS(open), {bits(1, changes, O_RDONLY)});
  filter.allow(SCMP_SYS(fcntl), {{1, SCMP_CMP_EQ, F_GETFD, 0}});  // libfuse, of the mount
  filter.allow(SCMP_SYS(mmap), {bits(2, PROT_EXEC, 0)});
  filter.allow(SCMP_SYS(mprotect), {bits(2, PROT_EXEC, 0)});
  // Threads, no processes. What clone3 is asked for cannot be seen: libc falls back.
  filter.allow(SCMP_SYS(clone), {bits(0, CLONE_THREAD, CLONE_THREAD)});
  filter.add(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
  // abort(3) signals itself.
  filter.allow(SCMP_SYS(tgkill), {{0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(::getpid()), 0}});
  filter.load();
}

}  // namespace vpowercap
