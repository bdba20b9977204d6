// SPDX-License-Identifier: Apache-2.0
// How each kind of call may end. EIO, ENOTCONN, ETIMEDOUT and ECONNABORTED are in no list, and what
// would change the tree has no success.
#include <cerrno>

#include "tests/hostile/attack.hpp"

namespace vpowercap::testing {
namespace {

// A path that is odd, or is not of the kind that the call is for.
#define ODD_PATH ENOENT, ENOTDIR, EISDIR, ENAMETOOLONG, ELOOP, EINVAL
// A change, refused: by the guest's read-only mount, by the server, by the file's mode or by the kernel
// for what is not served at all.
#define REFUSED EROFS, EPERM, EACCES, EOPNOTSUPP, ENOSYS

constexpr int looking[] = {ODD_PATH, EACCES, EPERM, EOVERFLOW, EROFS};  // EROFS: may I write?
// EAGAIN: with O_NONBLOCK, while another process holds a lease on the file; see open(2).
constexpr int opening[] = {ODD_PATH,  REFUSED, EEXIST, EMFILE, ENFILE,
                           EOVERFLOW, ETXTBSY, EBADF,  EAGAIN};
constexpr int creating[] = {ODD_PATH, REFUSED, EEXIST, EXDEV, EBUSY, ENOTEMPTY, EMLINK, EBADF};
// EOPNOTSUPP: a flag of preadv2 that the kernel has for no such file.
constexpr int reading[] = {EINVAL, EISDIR, EBADF, ESPIPE, EOVERFLOW, EFBIG, ENODATA, EOPNOTSUPP};
constexpr int writing[] = {EINVAL, EISDIR, EBADF, EFBIG, ENODATA, REFUSED};
constexpr int seeking[] = {EINVAL, ENXIO, EOVERFLOW};
constexpr int listing[] = {EINVAL, ENOTDIR, ENOENT, EBADF};
constexpr int mapping[] = {EINVAL, EACCES, EPERM, ENODEV, EBADF, EOVERFLOW, EOPNOTSUPP};
// ENOMEM: FIDEDUPERANGE with too many ranges.
constexpr int controlling[] = {ENOTTY,    EINVAL,  EPERM,   EOPNOTSUPP, EBADF,   EISDIR,
                               EXDEV,     EROFS,   EFAULT,  EACCES,     EBUSY,   ENOSYS,
                               EOVERFLOW, ENOTDIR, ETXTBSY, ENODATA,    ENOTBLK, ENOMEM};
constexpr int allocating[] = {EBADF, EINVAL, EISDIR, ENODEV, EFBIG, ESPIPE, REFUSED};
constexpr int truncating[] = {ODD_PATH, REFUSED, EFBIG, EBADF, ETXTBSY};
constexpr int attributes[] = {ODD_PATH, REFUSED, ENODATA, ERANGE, E2BIG, EEXIST};
constexpr int changing[] = {ODD_PATH, REFUSED, EOVERFLOW};
constexpr int copying[] = {EBADF,     EINVAL, EISDIR,  EXDEV,   EAGAIN, ESPIPE,
                           EOVERFLOW, EFBIG,  ETXTBSY, ENODATA, REFUSED};
constexpr int locking[] = {EAGAIN, EACCES, EBADF, EINVAL, EOVERFLOW, EOPNOTSUPP, EPERM};
constexpr int watching[] = {EPERM,  EBADF, EINVAL,     EEXIST,  ENOENT, EAGAIN,       EMFILE, ENOSPC,
                            ENODEV, EXDEV, EOPNOTSUPP, ENOTDIR, ELOOP,  ENAMETOOLONG, ENOSYS};
constexpr int handles[] = {ODD_PATH, EOPNOTSUPP, EOVERFLOW, EPERM, ESTALE,
                           EBADF,    EACCES,     EROFS,     EAGAIN};

#undef ODD_PATH
#undef REFUSED

constexpr Law all_laws[] = {
    {"open", true, opening},
    {"open of a new file", false, creating},
    {"open of a temporary file", false, creating},
    {"openat2", true, opening},
    {"read", true, reading},
    {"pread", true, reading},
    {"preadv2", true, reading},
    {"write", false, writing},
    {"pwrite", false, writing},
    {"lseek", true, seeking},
    {"mmap", true, mapping},
    {"touch a mapped page", true, {}},
    {"mprotect", true, mapping},
    {"msync", true, mapping},
    {"ioctl", true, controlling},
    {"fsync", true, reading},
    {"fallocate", false, allocating},
    {"truncate", true, truncating},
    {"ftruncate", true, truncating},
    {"readahead", true, reading},
    {"posix_fadvise", true, reading},
    {"getdents64", true, listing},
    {"chdir", true, looking},
    {"stat", true, looking},
    {"statx", true, looking},
    {"statfs", true, looking},
    {"access", true, looking},
    {"readlink", true, looking},
    {"mkdir", false, creating},
    {"mknod", false, creating},
    {"symlink", false, creating},
    {"link", false, creating},
    {"rename", false, creating},
    {"unlink", false, creating},
    {"setxattr", false, attributes},
    {"removexattr", false, attributes},
    {"getxattr", true, attributes},
    {"listxattr", true, attributes},
    {"chmod", false, changing},
    {"chown", false, changing},
    {"utimensat", false, changing},
    {"name_to_handle_at", true, handles},
    {"open_by_handle_at", true, handles},
    {"copy_file_range", true, copying},
    {"copy_file_range into the tree", false, copying},
    {"sendfile", true, copying},
    {"sendfile into the tree", false, copying},
    {"splice", true, copying},
    {"splice into the tree", false, copying},
    {"tee", false, copying},
    {"poll", true, watching},
    {"select", true, watching},
    {"epoll_ctl", true, watching},
    {"epoll_wait", true, watching},
    {"flock", true, locking},
    {"fcntl lock", true, locking},
    {"fcntl lease", true, locking},
    {"fcntl notify", true, watching},
    {"inotify_add_watch", true, watching},
    {"fanotify_init", true, watching},
    {"fanotify_mark", true, watching},
};
static_assert(std::size(all_laws) <= most_laws);

}  // namespace

std::span<const Law> laws() { return all_laws; }

}  // namespace vpowercap::testing
