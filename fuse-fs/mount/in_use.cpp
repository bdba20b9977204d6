// SPDX-License-Identifier: Apache-2.0
// Searching the arguments of all processes.
#include "fuse-fs/mount/in_use.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "common/base/file.hpp"

namespace vpowercap {
namespace {

/// Longer arguments than QEMU ever has.
constexpr std::size_t most_arguments = 4UL * 1024 * 1024;

bool is_number(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::set<Uuid> named_by_processes(const std::string& proc_root, std::span<const Uuid> vms) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(proc_root.c_str()), &::closedir);
  // procfs can be mounted so that it shows nobody else's processes (hidepid).
  if (!stream || !read_file_at(::dirfd(stream.get()), "1/cmdline", most_arguments))
    return {vms.begin(), vms.end()};
  std::set<Uuid> named;
  while (const dirent* entry = ::readdir(stream.get())) {
    if (!is_number(entry->d_name)) continue;
    const auto path = std::string(entry->d_name) + "/cmdline";
    const auto arguments = read_file_at(::dirfd(stream.get()), path, most_arguments);
    if (!arguments || arguments->empty()) continue;  // gone, or a thread of the kernel's
    for (const auto& vm : vms)
      if (arguments->find(vm.to_string()) != std::string::npos) named.insert(vm);
  }
  return named;
}

}  // namespace vpowercap
