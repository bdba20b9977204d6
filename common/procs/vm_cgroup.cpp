// SPDX-License-Identifier: Apache-2.0
// Finding and reading a VM's control group.
#include "common/procs/vm_cgroup.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "common/base/file.hpp"
#include "common/procs/process_files.hpp"

namespace vpowercap {
namespace {

constexpr std::string_view usage_key = "usage_usec ";
/// Version 1 has a cpu.stat too, with other things in it.
constexpr std::string_view version_1_key = "nr_periods";

bool is_vm_group(std::string_view name) {
  return (name.starts_with("machine-qemu") && name.ends_with(".scope")) ||
         name.ends_with(".libvirt-qemu");
}

/// The path up to the first component that is a VM's group.
std::optional<std::string> up_to_vm_group(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;  // the kernel writes none
  for (std::size_t at = path.find('/'); at != std::string_view::npos;) {
    const auto next = path.find('/', at + 1);
    if (is_vm_group(path.substr(at + 1, next - at - 1))) return std::string(path.substr(0, next));
    at = next;
  }
  return std::nullopt;
}

/// True when a comma-separated list of controllers has `wanted`.
bool lists(std::string_view controllers, std::string_view wanted) {
  while (!controllers.empty()) {
    const auto one = controllers.substr(0, controllers.find(','));
    if (one == wanted) return true;
    controllers.remove_prefix(std::min(one.size() + 1, controllers.size()));
  }
  return false;
}

}  // namespace

std::optional<VmCgroupPath> find_vm_cgroup(const std::string& text, bool unified) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto first = line.find(':');
    const auto second = line.find(':', first == std::string_view::npos ? first : first + 1);
    if (second == std::string_view::npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    if (unified ? line.substr(0, first) != "0" || !controllers.empty() : !lists(controllers, "cpuacct"))
      continue;
    if (auto path = up_to_vm_group(line.substr(second + 1))) return VmCgroupPath{unified, *path};
  }
  return std::nullopt;
}

Result<VmCgroup> VmCgroup::open(const std::string& proc_root, const std::string& sysfs_root,
                                std::int64_t pid) {
  const std::string names = process_directory(proc_root, pid) + "/cgroup";
  const auto text = read_file_at(AT_FDCWD, names);
  if (!text) return tl::unexpected(text.error());
  // Empty where the kernel has no groups.
  if (!text->empty() && !text->ends_with('\n')) return fail(EPROTO, names + " holds no whole lines");
  const std::string base = sysfs_root + "/fs/cgroup";
  if (const auto path = find_vm_cgroup(*text, true))
    for (const char* mount : {"", "/unified"}) {
      const std::string file = base + mount + path->path + "/cpu.stat";
      auto fd = open_at(AT_FDCWD, file, O_RDONLY);
      if (!fd && fd.error().code == ENOENT) continue;
      if (!fd) return tl::unexpected(fd.error());
      VmCgroup group(*path, file, std::move(*fd));
      const auto usage = group.usage_ns();
      if (usage) return group;
      if (usage.error().code != ENOENT) return tl::unexpected(usage.error());
    }
  if (const auto path = find_vm_cgroup(*text, false)) {
    const std::string file = base + "/cpuacct" + path->path + "/cpuacct.usage";
    auto fd = open_at(AT_FDCWD, file, O_RDONLY);
    if (!fd) return tl::unexpected(fd.error());
    return VmCgroup(*path, file, std::move(*fd));
  }
  return fail(ENOENT, names + " names no control group of a VM that can be seen below " + base);
}

Result<std::uint64_t> VmCgroup::usage_ns() const {
  std::array<char, proc_line_bytes> buffer;
  auto text = pread_line(fd_.get(), buffer);
  if (!text) return fail(text.error().code, file_ + ": " + text.error().message);
  if (path_.unified) {
    if (text->starts_with(version_1_key)) return fail(ENOENT, file_ + " is one of version 1");
    if (!text->starts_with(usage_key)) return fail(EPROTO, file_ + " does not begin with usage_usec");
    text->remove_prefix(usage_key.size());
  }
  if (text->find('\n') == std::string_view::npos) return fail(EPROTO, file_ + " holds no whole line");
  const auto value = parse_u64(text->substr(0, text->find('\n')));
  if (!value) return fail(EPROTO, file_ + " " + value.error().message);
  std::uint64_t ns = 0;
  if (__builtin_mul_overflow(*value, path_.unified ? 1000u : 1u, &ns))
    return fail(EPROTO, file_ + " holds more time than can be counted");
  return ns;
}

bool VmCgroup::holds(const std::string& text) const {
  return find_vm_cgroup(text, path_.unified) == path_;
}

}  // namespace vpowercap
