// SPDX-License-Identifier: Apache-2.0
// Binding of the control socket.
#include "host/control/listener.hpp"

#include <grp.h>
#include <sys/stat.h>

#include <array>

#include "common/wire/unix_address.hpp"

namespace vpowercap {
namespace {

/// Makes way for bind(): removes a socket file that nobody listens on.
Result<void> remove_dead_socket(const std::string& path, const sockaddr_un& address) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return fail_errno(errno, "cannot look at " + path);
  }
  if (!S_ISSOCK(found.st_mode)) return fail(EEXIST, path + " is there and is no socket: remove it");
  const UniqueFd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail_errno(errno, "cannot make a socket");
  if (::connect(probe.get(), as_sockaddr(address), sizeof address) == 0 || errno != ECONNREFUSED)
    return fail(EADDRINUSE, "another daemon answers at " + path + ": stop it first");
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return fail_errno(errno, "cannot remove the dead socket " + path);
  return {};
}

Result<void> set_owner(const std::string& path, const std::string& group) {
  std::array<char, 16384> buffer;
  struct group entry{};
  struct group* found = nullptr;
  if (!group.empty() &&
      ::getgrnam_r(group.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
      found != nullptr && ::chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) != 0)
    return fail_errno(errno, "cannot give " + path + " to the group " + group);
  if (::chmod(path.c_str(), 0660) != 0) return fail_errno(errno, "cannot set the mode of " + path);
  return {};
}

}  // namespace

Result<Listener> Listener::open(const std::string& path, const std::string& group) {
  const auto address = unix_address(path);
  if (!address) return tl::unexpected(address.error());
  if (auto free = remove_dead_socket(path, *address); !free) return tl::unexpected(free.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(errno, "cannot make a socket");
  if (::bind(fd.get(), as_sockaddr(*address), sizeof *address) != 0)
    return fail_errno(errno, "cannot bind " + path);
  struct stat made{};
  if (::lstat(path.c_str(), &made) != 0) return fail_errno(errno, "cannot look at " + path);
  Listener listener(path, std::move(fd), made.st_dev, made.st_ino);
  // Nobody can connect before listen(): owner and mode are in place when the first client comes.
  if (auto owned = set_owner(path, group); !owned) return tl::unexpected(owned.error());
  if (::listen(listener.fd(), 128) != 0) return fail_errno(errno, "cannot listen on " + path);
  return listener;
}

Listener::~Listener() {
  struct stat found{};
  if (fd_ && ::lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ && found.st_ino == inode_)
    ::unlink(path_.c_str());
}

}  // namespace vpowercap
