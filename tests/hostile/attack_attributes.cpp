// SPDX-License-Identifier: Apache-2.0
// Attempts on attributes: asking with odd masks, changing, extended ones, file handles.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>

#include "tests/hostile/attack.hpp"

namespace vpowercap::testing {
namespace {

/// For calls that have no form relative to a descriptor.
std::string whole(Attack& attack, const std::string& path) {
  return "/proc/self/fd/" + std::to_string(attack.root()) + "/" + path;
}

void ask(Attack& attack) {
  struct stat status{};
  attack.note("stat",
              ::fstatat(attack.root(), attack.any().c_str(), &status,
                        attack.chance(3) ? static_cast<int>(attack.number()) : AT_SYMLINK_NOFOLLOW));
  attack.note("statx", ::syscall(SYS_statx, attack.root(), attack.any().c_str(),
                                 attack.chance(3) ? attack.number()
                                                  : attack.below(4) << 13,  // kinds of synchronisation
                                 attack.number(), attack.buffer()));
  struct statfs space{};
  attack.note("statfs", ::statfs(whole(attack, attack.any()).c_str(), &space));
  attack.note("access",
              ::faccessat(attack.root(), attack.any().c_str(), static_cast<int>(attack.below(16)),
                          attack.chance(2) ? AT_EACCESS : 0));
  attack.note("readlink",
              ::readlinkat(attack.root(), attack.any().c_str(), attack.buffer(), attack.below(5000)));
}

void change(Attack& attack) {
  const auto path = attack.any();
  attack.note("chmod",
              ::fchmodat(attack.root(), path.c_str(), static_cast<mode_t>(attack.below(010000)), 0));
  attack.note("chown", ::fchownat(attack.root(), path.c_str(), static_cast<uid_t>(attack.below(70000)),
                                  static_cast<gid_t>(attack.below(70000)),
                                  attack.chance(2) ? AT_SYMLINK_NOFOLLOW : 0));
  const auto seconds = static_cast<time_t>(attack.number());
  const std::array<timespec, 2> times{{{seconds, attack.chance(2) ? UTIME_NOW : 5},
                                       {seconds, static_cast<long>(attack.below(2'000'000'000))}}};
  attack.note("utimensat", ::utimensat(attack.root(), path.c_str(), times.data(),
                                       attack.chance(2) ? AT_SYMLINK_NOFOLLOW : 0));
  attack.note("truncate", ::truncate(whole(attack, path).c_str(), static_cast<off_t>(attack.number())));
}

std::string attribute_name(Attack& attack) {
  static constexpr const char* known[] = {"user.x",
                                          "user.",
                                          "trusted.overlay.opaque",
                                          "security.selinux",
                                          "security.capability",
                                          "security.ima",
                                          "system.posix_acl_access",
                                          "system.posix_acl_default",
                                          "system.nfs4_acl",
                                          "btrfs.compression",
                                          ""};
  if (!attack.chance(4)) return attack.one_of(known);
  static constexpr const char* spaces[] = {"user.", "trusted.", "security.", "system.", ""};
  return attack.one_of(spaces) + attack.odd();
}

void extended(Attack& attack) {
  const auto path = whole(attack, attack.any());
  const auto name = attribute_name(attack);
  const auto size = attack.below(70000);
  auto* const value = attack.buffer();
  const auto flags = static_cast<int>(attack.below(4));
  const bool itself = attack.chance(2);
  attack.note("setxattr",
              (itself ? ::lsetxattr : ::setxattr)(path.c_str(), name.c_str(), value, size, flags));
  // Linux has nothing to do, and says so, where a default ACL is taken from what is no directory.
  if (name != "system.posix_acl_default")
    attack.note("removexattr", (itself ? ::lremovexattr : ::removexattr)(path.c_str(), name.c_str()));
  attack.note("getxattr", (itself ? ::lgetxattr : ::getxattr)(path.c_str(), name.c_str(), value, size));
  attack.note("listxattr", (itself ? ::llistxattr : ::listxattr)(path.c_str(), value, size));
}

void by_handle(Attack& attack) {
  // More than handles may have, to ask for more.
  alignas(file_handle) std::array<char, sizeof(file_handle) + 256> room{};
  auto* const handle = new (room.data()) file_handle;
  handle->handle_bytes = static_cast<unsigned>(attack.chance(3) ? attack.below(200) : MAX_HANDLE_SZ);
  int mount = 0;
  attack.note("name_to_handle_at",
              ::name_to_handle_at(attack.root(), attack.any().c_str(), handle, &mount,
                                  attack.chance(2) ? AT_SYMLINK_FOLLOW : 0));
  if (attack.chance(2)) {
    handle->handle_bytes = static_cast<unsigned>(attack.below(MAX_HANDLE_SZ + 2));
    handle->handle_type = static_cast<int>(attack.chance(2) ? 0x81 : attack.number());
    std::generate(room.begin() + sizeof(file_handle), room.end(),
                  [&] { return static_cast<char>(attack.random()); });
  }
  const int fd = ::open_by_handle_at(attack.root(), handle, O_RDONLY | O_NONBLOCK);
  attack.note("open_by_handle_at", fd);
  if (fd >= 0) ::close(fd);
}

constexpr Attempt all[] = {
    {"asking", ask}, {"changing", change}, {"extended attributes", extended}, {"handles", by_handle}};

}  // namespace

std::span<const Attempt> attribute_attempts() { return all; }

}  // namespace vpowercap::testing
