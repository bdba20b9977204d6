// SPDX-License-Identifier: Apache-2.0
// The child that asks and binds, and the pipe through which it complains.
#include "fuse-fs/mount/binder.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "fuse-fs/mount/plan.hpp"

namespace vpowercap {
namespace {

constexpr std::size_t longest_words = 1024;  // fits into a pipe at once

/// Most calls the kernel would answer itself for a while, for a server that is stopped, too; this one
/// it does not (fuse_update_get_attr() in its fs/fuse/dir.c).
Result<void> ask_server(const std::string& path) {
  struct statx found{};
  if (::statx(AT_FDCWD, path.c_str(), AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &found) == 0) return {};
  return fail_errno(errno, "cannot ask the server for " + path);
}

Result<void> bind_tree(const RunPaths& paths, const Uuid& uuid) {
  const auto from = tree_path(paths, uuid);
  const auto to = bind_path(paths, uuid);
  if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  return fail_errno(errno, "cannot bind " + from + " on " + to);
}

}  // namespace

Result<void> Binder::start(const RunPaths& paths, std::span<const Uuid> uuids, Nanoseconds now) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno(errno, "cannot make a pipe");
  words_.reset(ends[0]);
  const UniqueFd write_end(ends[1]);
  const auto work = [&](int to_parent) {
    auto first = ask_server(tree_path(paths, Uuid{}));  // every UUID has one
    for (const auto& uuid : uuids.first(std::min(uuids.size(), most)))
      if (auto bound = bind_tree(paths, uuid); !bound && first) first = std::move(bound);
    if (first) return 0;
    const auto words = first.error().message.substr(0, longest_words);
    (void)!::write(to_parent, words.data(), words.size());
    return 1;
  };
  return child_.start_function(work, write_end.get(), now);
}

std::optional<std::string> Binder::reap() {
  const auto ended = child_.reap();
  if (!ended) return std::nullopt;
  if (ended->is_clean()) return "";
  std::string words(longest_words, '\0');
  const auto size = ::read(words_.get(), words.data(), words.size());
  if (size <= 0) return "asking the server for trees to bind: the child " + ended->text();
  return words.substr(0, static_cast<std::size_t>(size));
}

}  // namespace vpowercap
