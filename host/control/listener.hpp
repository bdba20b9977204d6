// SPDX-License-Identifier: Apache-2.0
// The listening socket: bound with the right owner and mode before anyone can connect.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/base/result.hpp"
#include "common/base/unique_fd.hpp"

namespace vpowercap {

/// A listening SOCK_SEQPACKET socket that removes its file at the end, if the file is still its own.
class Listener {
 public:
  /// Binds `path` with mode 0660 and the group `group` (kept as it is when there is no such group).
  /// A socket file nobody listens on is replaced. Errors: EADDRINUSE when somebody does, EEXIST when
  /// another kind of file is there, ENAMETOOLONG; those of the file system.
  static Result<Listener> open(const std::string& path, const std::string& group);

  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Listener(std::string path, UniqueFd fd, dev_t device, ino_t inode)
      : path_(std::move(path)), fd_(std::move(fd)), device_(device), inode_(inode) {}
  std::string path_;
  UniqueFd fd_;
  dev_t device_;
  ino_t inode_;
};

}  // namespace vpowercap
