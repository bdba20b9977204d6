// SPDX-License-Identifier: Apache-2.0
// Addresses of Unix sockets.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "common/base/result.hpp"

namespace vpowercap {

/// The address of the socket at `path`. Errors: ENAMETOOLONG above 107 bytes, EINVAL for "".
inline Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty()) return fail(EINVAL, "the path of a socket is empty");
  if (path.size() >= sizeof address.sun_path)
    return fail(ENAMETOOLONG, path + " is too long for a socket: at most 107 bytes");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// `address` as the system calls take it.
inline const sockaddr* as_sockaddr(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace vpowercap
