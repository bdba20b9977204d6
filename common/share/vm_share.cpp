// SPDX-License-Identifier: Apache-2.0
// One VM's directory below the share: made, filled with links, removed.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <memory>

#include "common/base/file.hpp"
#include "common/share/share.hpp"

namespace vpowercap {
namespace {

constexpr auto mount_point_name = "intel-rapl";
constexpr auto temporary_link = ".link.new";
constexpr int open_directory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/// share.rw, only when the tmpfs is mounted there: a directory made beneath it would never be seen.
Result<UniqueFd> open_base(const RunPaths& paths) {
  const auto path = paths.share_rw();
  UniqueFd base(::open(path.c_str(), open_directory));
  struct statx status{};
  if (base && ::statx(base.get(), "", AT_EMPTY_PATH, 0, &status) == 0 &&
      (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
    return base;
  if (!base && errno != ENOENT) return fail_errno(errno, "cannot open " + path);
  return fail(ENOENT, path + " is not mounted: start vpowercap-mount");
}

/// Makes one directory, 0755 whatever the umask.
Result<void> ensure_directory(int parent, const std::string& name, const std::string& shown) {
  const bool made = ::mkdirat(parent, name.c_str(), 0755) == 0;
  if (!made && errno != EEXIST) return fail_errno(errno, "cannot make the directory " + shown);
  if (made && ::fchmodat(parent, name.c_str(), 0755, 0) != 0)
    return fail_errno(errno, "cannot set the mode of " + shown);
  return {};
}

bool same_directory(int parent, const std::string& name, int fd) {
  struct stat named{};
  struct stat opened{};
  return ::fstatat(parent, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstat(fd, &opened) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
}

/// The symbolic links in a directory with their targets.
Result<std::map<std::string, std::string>> read_links(int directory, const std::string& shown) {
  UniqueFd copy(::openat(directory, ".", open_directory));
  if (!copy) return fail_errno(errno, "cannot open " + shown);
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy.get()), &::closedir);
  if (!stream) return fail_errno(errno, "cannot list " + shown);
  copy.release();
  std::map<std::string, std::string> links;
  while (const dirent* entry = ::readdir(stream.get())) {
    if (entry->d_type != DT_LNK) continue;
    std::string target(256, '\0');
    const auto size = ::readlinkat(directory, entry->d_name, target.data(), target.size());
    target.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    links.emplace(entry->d_name, target);
  }
  return links;
}

Result<void> replace_link(int directory, const FlatLink& link, const std::string& shown) {
  ::unlinkat(directory, temporary_link, 0);
  if (::symlinkat(link.target.c_str(), directory, temporary_link) != 0 ||
      ::renameat(directory, temporary_link, directory, link.name.c_str()) != 0)
    return fail_errno(errno, "cannot make the link " + shown + "/" + link.name);
  return {};
}

Nanoseconds age_of(int fd) {
  struct stat status{};
  timespec now{};
  if (::fstat(fd, &status) != 0) return Nanoseconds(0);
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::chrono::seconds(now.tv_sec - status.st_mtim.tv_sec) +
         Nanoseconds(now.tv_nsec - status.st_mtim.tv_nsec);
}

}  // namespace

Result<void> make_vm_share(const RunPaths& paths, const Uuid& uuid) {
  const auto base = open_base(paths);
  if (!base) return tl::unexpected(base.error());
  const auto name = uuid.to_string();
  const auto shown = paths.share_rw() + "/" + name;
  // Another program may be removing it: then once more.
  for (int tries = 0; tries < 100; ++tries) {
    if (auto made = ensure_directory(base->get(), name, shown); !made && made.error().code != ENOENT)
      return made;
    const UniqueFd directory(::openat(base->get(), name.c_str(), open_directory));
    if (!directory && errno == ENOENT) continue;
    if (!directory) return fail_errno(errno, "cannot open " + shown);
    // EEXIST is told by the parent alone: what is mounted on intel-rapl is not asked.
    if (auto made = ensure_directory(directory.get(), mount_point_name, shown + "/" + mount_point_name);
        !made && made.error().code != ENOENT)
      return made;
    if (::futimens(directory.get(), nullptr) != 0) return fail_errno(errno, "cannot touch " + shown);
    if (same_directory(base->get(), name, directory.get())) return {};
  }
  return fail(EBUSY, "cannot make " + shown + ": another program keeps removing it");
}

Result<void> link_vm_zones(const RunPaths& paths, const Uuid& uuid, std::span<const FlatLink> links) {
  const auto shown = paths.share_rw() + "/" + uuid.to_string();
  const UniqueFd directory(::open(shown.c_str(), open_directory));
  if (!directory) return fail_errno(errno, "cannot open " + shown);
  auto there = read_links(directory.get(), shown);
  if (!there) return tl::unexpected(there.error());
  for (const auto& link : links) {
    const auto found = there->find(link.name);
    const bool right = found != there->end() && found->second == link.target;
    if (found != there->end()) there->erase(found);
    if (right) continue;
    if (auto made = replace_link(directory.get(), link, shown); !made) return made;
  }
  for (const auto& [name, target] : *there)
    if (::unlinkat(directory.get(), name.c_str(), 0) != 0 && errno != ENOENT)
      return fail_errno(errno, "cannot remove the link " + shown + "/" + name);
  return {};
}

Result<bool> remove_vm_share(const RunPaths& paths, const Uuid& uuid, Nanoseconds unused_for) {
  const auto base = open_base(paths);
  if (!base) return tl::unexpected(base.error());
  const auto name = uuid.to_string();
  const auto shown = paths.share_rw() + "/" + name;
  const UniqueFd directory(::openat(base->get(), name.c_str(), open_directory));
  if (!directory && errno == ENOENT) return true;
  if (!directory) return fail_errno(errno, "cannot open " + shown);
  if (age_of(directory.get()) < unused_for) return false;
  // Moved away first: make_vm_share() at this moment either touched it (put back) or sees it gone
  // and makes a new one.
  const auto aside = "." + name + ".removed";
  if (::renameat(base->get(), name.c_str(), base->get(), aside.c_str()) != 0)
    return fail_errno(errno, "cannot move " + shown + " aside");
  if (age_of(directory.get()) < unused_for &&
      ::renameat(base->get(), aside.c_str(), base->get(), name.c_str()) == 0)
    return false;
  auto links = read_links(directory.get(), shown);
  if (!links) return tl::unexpected(links.error());
  for (const auto& [link, target] : *links) ::unlinkat(directory.get(), link.c_str(), 0);
  for (const auto& [parent, entry] :
       {std::pair{directory.get(), std::string(mount_point_name)}, std::pair{base->get(), aside}})
    if (::unlinkat(parent, entry.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
      const int code = errno;
      ::renameat(base->get(), aside.c_str(), base->get(), name.c_str());
      return fail_errno(code, "cannot remove " + shown);
    }
  return true;
}

}  // namespace vpowercap
