// SPDX-License-Identifier: Apache-2.0
// Listing and reading of resctrl groups.
#include "common/procs/resctrl.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

#include "common/base/file.hpp"

namespace vpowercap {
namespace {

constexpr std::string_view cache_prefix = "mon_L3_";
/// A thread's number and newline, 11 bytes, for four million threads: the kernel's own limit.
constexpr std::size_t tasks_bytes = std::size_t{48} << 20;

/// Names of the directories in `path`, sorted. Errors: those of opendir.
Result<std::vector<std::string>> list_directories(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  if (!directory) return fail_errno(errno, "cannot list " + path);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* const entry = ::readdir(directory.get()))
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  if (errno != 0) return fail_errno(errno, "cannot list all of " + path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::uint64_t> read_bytes(int fd, const std::string& file) {
  std::array<char, 64> buffer;
  const auto text = pread_line(fd, buffer);
  if (!text) return fail(text.error().code, file + ": " + text.error().message);
  if (!text->ends_with('\n')) return fail(EPROTO, file + " holds no whole line");
  const auto word = without_newline(*text);
  if (word == "Unavailable" || word == "Unassigned" || word == "Error")
    return fail(ENODATA, file + " says " + std::string(word));
  const auto bytes = parse_u64(*text);
  if (!bytes) return fail(EPROTO, file + " " + bytes.error().message);
  return *bytes;
}

/// The NN of mon_L3_NN, which the kernel prints with at least two digits; nullopt: another directory.
std::optional<std::uint32_t> cache_id(std::string_view name) {
  if (!name.starts_with(cache_prefix)) return std::nullopt;
  name.remove_prefix(cache_prefix.size());
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return id;
}

Result<void> add_monitoring_groups(std::vector<ResctrlGroup>& groups, const std::string& control) {
  const auto names = list_directories(control + "/mon_groups");
  if (!names && names.error().code == ENOENT) return {};
  if (!names) return tl::unexpected(names.error());
  for (const auto& name : *names) {
    auto group = ResctrlGroup::open(control + "/mon_groups/" + name, control);
    if (!group) return tl::unexpected(group.error());
    groups.push_back(std::move(*group));
  }
  return {};
}

}  // namespace

Result<ResctrlGroup> ResctrlGroup::open(std::string directory, std::string parent) {
  ResctrlGroup group(std::move(directory), std::move(parent));
  const auto data = group.directory_ + "/mon_data";
  const auto names = list_directories(data);
  if (!names) return tl::unexpected(names.error());
  for (const auto& name : *names) {
    const auto id = cache_id(name);
    if (!id) continue;
    Cache cache{*id, data + "/" + name, {}, {}};
    auto total = open_at(AT_FDCWD, cache.directory + "/mbm_total_bytes", O_RDONLY);
    if (!total) return tl::unexpected(total.error());
    cache.total = std::move(*total);
    auto local = open_at(AT_FDCWD, cache.directory + "/mbm_local_bytes", O_RDONLY);
    if (local) cache.local = std::move(*local);
    else if (local.error().code != ENOENT) return tl::unexpected(local.error());
    group.caches_.push_back(std::move(cache));
  }
  if (group.caches_.empty()) return fail(ENOENT, data + " counts no memory traffic");
  return group;
}

Result<std::map<std::uint32_t, MemoryTraffic>> ResctrlGroup::traffic() const {
  std::map<std::uint32_t, MemoryTraffic> traffic;
  for (const auto& cache : caches_) {
    // Local first: it is a part of the total.
    auto local = cache.local ? read_bytes(cache.local.get(), cache.directory + "/mbm_local_bytes")
                             : Result<std::uint64_t>(0);
    if (!local) return tl::unexpected(local.error());
    const auto total = read_bytes(cache.total.get(), cache.directory + "/mbm_total_bytes");
    if (!total) return tl::unexpected(total.error());
    traffic[cache.id] = {*total, cache.local ? std::min(*local, *total) : *total};
  }
  return traffic;
}

Result<std::vector<std::int64_t>> ResctrlGroup::threads() const {
  const auto file = directory_ + "/tasks";
  const auto text = read_file_at(AT_FDCWD, file, tasks_bytes);
  if (!text) return tl::unexpected(text.error());
  return parse_tasks(*text, file);
}

Result<std::vector<std::int64_t>> parse_tasks(std::string_view text, const std::string& path) {
  if (!text.empty() && !text.ends_with('\n')) return fail(EPROTO, path + " holds no whole lines");
  std::vector<std::int64_t> threads;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto tid = parse_u64(line);
    if (!tid) return fail(EPROTO, path + " " + tid.error().message);
    if (*tid == 0 || *tid > std::numeric_limits<std::int32_t>::max())
      return fail(EPROTO, path + " holds " + std::to_string(*tid) + ", which is no thread's number");
    threads.push_back(static_cast<std::int64_t>(*tid));
  }
  return threads;
}

Result<std::vector<ResctrlGroup>> open_resctrl(const std::string& sysfs_root) {
  const auto root = sysfs_root + "/fs/resctrl";
  const auto names = list_directories(root);
  if (!names) return tl::unexpected(names.error());
  std::vector<std::string> controls{root};
  for (const auto& name : *names)
    if (name != "info" && name != "mon_groups" && name != "mon_data")
      controls.push_back(root + "/" + name);
  std::vector<ResctrlGroup> groups;
  for (const auto& control : controls) {
    auto group = ResctrlGroup::open(control, "");
    if (!group) return tl::unexpected(group.error());
    groups.push_back(std::move(*group));
    if (auto added = add_monitoring_groups(groups, control); !added)
      return tl::unexpected(added.error());
  }
  return groups;
}

std::map<std::uint32_t, std::uint32_t> read_l3_caches(const std::string& sysfs_root,
                                                      const std::vector<std::uint32_t>& cpus) {
  std::map<std::uint32_t, std::uint32_t> caches;
  for (const auto cpu : cpus) {
    const auto at = sysfs_root + "/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index";
    for (int index = 0;; ++index) {
      const auto directory = at + std::to_string(index);
      const auto level = read_file_at(AT_FDCWD, directory + "/level", 64);
      if (!level) break;
      if (*level != "3\n") continue;
      const auto text = read_file_at(AT_FDCWD, directory + "/id", 64);
      const auto id = text && text->ends_with('\n') ? parse_u64(*text) : fail(ENOENT, "");
      if (id && *id <= std::numeric_limits<std::uint32_t>::max())
        caches.emplace(static_cast<std::uint32_t>(*id), cpu);
    }
  }
  return caches;
}

}  // namespace vpowercap
