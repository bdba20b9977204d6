// SPDX-License-Identifier: Apache-2.0
// Comparing mounts that are with mounts that should be.
#include "fuse-fs/mount/plan.hpp"

#include <algorithm>
#include <map>
#include <ranges>
#include <set>
#include <string_view>

namespace vpowercap {

std::string tree_path(const RunPaths& paths, const Uuid& uuid) {
  return paths.fs() + "/" + uuid.to_string() + "/intel-rapl";
}

std::string bind_path(const RunPaths& paths, const Uuid& uuid) {
  return paths.share_rw() + "/" + uuid.to_string() + "/intel-rapl";
}

Plan make_plan(const MountTable& table, const RunPaths& paths, const std::string& device,
               std::span<const Uuid> known, std::span<const Uuid> directories) {
  std::map<std::string_view, const MountEntry*> topmost;
  for (const auto& entry : table) topmost[entry.mount_point] = &entry;
  const std::set<Uuid> present(directories.begin(), directories.end());
  std::set<Uuid> wanted = present;
  wanted.insert(known.begin(), known.end());

  Plan plan;
  for (const auto& uuid : wanted) {
    if (!present.contains(uuid)) plan.make.push_back(uuid);
    const auto path = bind_path(paths, uuid);
    const auto found = topmost.find(path);
    const bool ours = found != topmost.end() && found->second->type == fuse_type;
    if (ours && found->second->device == device &&
        found->second->root == "/" + uuid.to_string() + "/intel-rapl")
      continue;
    if (ours) plan.detach.push_back(path);
    if (!device.empty()) plan.bind.push_back(uuid);
  }
  return plan;
}

std::vector<std::string> our_fuse_mounts(const MountTable& table, const RunPaths& paths) {
  // Below share.rw first: unmounting there propagates to the view and into the guests' servers.
  std::vector<std::string> mounts;
  for (const auto& base : {paths.share_rw() + "/", paths.share() + "/", paths.fs()})
    for (const auto& entry : table | std::views::reverse)
      if (entry.type == fuse_type &&
          (base.ends_with('/') ? entry.mount_point.starts_with(base) : entry.mount_point == base))
        mounts.push_back(entry.mount_point);
  return mounts;
}

}  // namespace vpowercap
