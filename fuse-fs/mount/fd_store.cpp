// SPDX-License-Identifier: Apache-2.0
// Storing by name; the order of stored descriptors is not kept.
#include "fuse-fs/mount/fd_store.hpp"

#include <fcntl.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "fuse-fs/journal/journal.hpp"

namespace vpowercap {
namespace {

// Names say what belongs together: "fuse-0-53", "journal-1-0-53" for a journal of version 1.
constexpr std::string_view fuse_name = "fuse-";
constexpr std::string_view journal_name = "journal-";

/// A device as a name may have it, and back.
std::string with(std::string text, char from, char to) {
  for (char& c : text)
    if (c == from) c = to;
  return text;
}

std::string fuse_name_of(const FuseMount& mount) {
  return std::string(fuse_name) + with(mount.device, ':', '-');
}

std::string journal_name_of(const FuseMount& mount) {
  return std::string(journal_name) + std::to_string(Journal::version_of(mount.journal.get())) + "-" +
         with(mount.device, ':', '-');
}

// Without polling: a descriptor is never dropped because somebody aborted its connection.
void store(const std::string& name, int fd) {
  ::sd_pid_notify_with_fds(0, 0, ("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name).c_str(), &fd, 1);
}

void forget(const std::string& name) { ::sd_notify(0, ("FDSTOREREMOVE=1\nFDNAME=" + name).c_str()); }

using Received = std::vector<std::pair<std::string, UniqueFd>>;

Received receive_all() {
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  Received received;
  for (int i = 0; i < count; ++i) {
    received.emplace_back(names[i], UniqueFd(SD_LISTEN_FDS_START + i));
    ::fcntl(SD_LISTEN_FDS_START + i, F_SETFD, FD_CLOEXEC);
    std::free(names[i]);  // NOLINT: C's
  }
  std::free(names);  // NOLINT
  return received;
}

/// The journal of a mount: this release's if there is one, else another's.
UniqueFd* find_journal(Received& received, const std::string& device) {
  UniqueFd* found = nullptr;
  for (auto& [name, fd] : received) {
    if (!name.starts_with(journal_name) || !name.ends_with("-" + device)) continue;
    if (found == nullptr || Journal::open(fd.get())) found = &fd;
  }
  return found;
}

/// The first mount that is there with its journal.
std::optional<FuseMount> take_pair(Received& received) {
  for (auto& [name, fd] : received) {
    if (!name.starts_with(fuse_name)) continue;
    const auto device = name.substr(fuse_name.size());
    if (auto* const journal = find_journal(received, device))
      return FuseMount{std::move(fd), std::move(*journal), with(device, '-', ':')};
  }
  return std::nullopt;
}

}  // namespace

bool has_fd_store() { return std::getenv("NOTIFY_SOCKET") != nullptr; }

void store_mount(const FuseMount& mount) {
  if (!has_fd_store()) return;
  store(journal_name_of(mount), mount.journal.get());
  store(fuse_name_of(mount), mount.fd.get());
}

void forget_stored_mount(const FuseMount& mount) {
  if (!has_fd_store() || !mount.fd) return;
  forget(fuse_name_of(mount));
  forget(journal_name_of(mount));
}

void change_stored_journal(FuseMount& mount, UniqueFd journal) {
  const auto before = journal_name_of(mount);
  mount.journal = std::move(journal);
  if (!has_fd_store()) return;
  store(journal_name_of(mount), mount.journal.get());
  forget(before);
}

std::optional<FuseMount> take_stored_mount() {
  auto received = receive_all();
  auto found = take_pair(received);
  bool is_clean = true;
  for (const auto& [name, fd] : received) {
    if (!fd) continue;
    forget(name);
    is_clean = false;
  }
  if (found && !is_clean) store_mount(*found);  // another of the same name took it along
  return found;
}

}  // namespace vpowercap
