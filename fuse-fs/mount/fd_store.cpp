// SPDX-License-Identifier: Apache-2.0
// Storing by name; the order of stored descriptors is not kept.
#include "fuse-fs/mount/fd_store.hpp"

#include <fcntl.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <string_view>

namespace vpowercap {
namespace {

constexpr std::string_view journal_name = "journal";
/// Followed by the mount's device: "fuse-0-53".
constexpr std::string_view fuse_name = "fuse-";

void notify(const std::string& state, int fd) { ::sd_pid_notify_with_fds(0, 0, state.c_str(), &fd, 1); }

/// A device as a name may have it, and back.
std::string with(std::string text, char from, char to) {
  for (char& c : text)
    if (c == from) c = to;
  return text;
}

}  // namespace

bool has_fd_store() { return std::getenv("NOTIFY_SOCKET") != nullptr; }

void store_mount(const FuseMount& mount) {
  if (!has_fd_store()) return;
  // Without polling: a descriptor is never dropped because somebody aborted its connection.
  const std::string store = "FDSTORE=1\nFDPOLL=0\nFDNAME=";
  notify(store + std::string(journal_name), mount.journal.get());
  notify(store + std::string(fuse_name) + with(mount.device, ':', '-'), mount.fd.get());
}

void forget_stored_mount(const FuseMount& mount) {
  if (!has_fd_store() || !mount.fd) return;
  const std::string remove = "FDSTOREREMOVE=1\nFDNAME=";
  ::sd_notify(0, (remove + std::string(journal_name)).c_str());
  ::sd_notify(0, (remove + std::string(fuse_name) + with(mount.device, ':', '-')).c_str());
}

std::optional<FuseMount> take_stored_mount() {
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  FuseMount found;
  for (int i = 0; i < count; ++i) {
    UniqueFd fd(SD_LISTEN_FDS_START + i);
    ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
    const std::string_view name = names[i];
    if (name == journal_name) found.journal = std::move(fd);
    else if (name.starts_with(fuse_name)) {
      found.device = with(std::string(name.substr(fuse_name.size())), '-', ':');
      found.fd = std::move(fd);
    }
  }
  for (int i = 0; i < count; ++i) std::free(names[i]);  // NOLINT: C's
  std::free(names);                                     // NOLINT
  if (!found.fd || !found.journal) return std::nullopt;
  return found;
}

}  // namespace vpowercap
