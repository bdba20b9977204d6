// SPDX-License-Identifier: Apache-2.0
// Reading the two sysctls, which most kernels do not have.
#include "common/share/request_timeouts.hpp"

#include <fcntl.h>

#include <algorithm>

#include "common/base/file.hpp"

namespace vpowercap {

std::string request_timeout_trouble(const std::string& proc_root) {
  std::string set;
  std::uint64_t shortest = ~std::uint64_t{0};
  for (const std::string name : {"default_request_timeout", "max_request_timeout"}) {
    const auto text = read_file_at(AT_FDCWD, proc_root + "/sys/fs/fuse/" + name, 32);
    const auto seconds = text ? parse_u64(*text) : Result<std::uint64_t>(0);
    if (!seconds || *seconds == 0) continue;
    set += (set.empty() ? "fs.fuse." : " and fs.fuse.") + name + " is " + std::to_string(*seconds);
    shortest = std::min(shortest, *seconds);
  }
  if (set.empty()) return "";
  return set + ": a server that is away for " + std::to_string(shortest) +
         " s loses the mount and what guests have open there; set " +
         (set.find(" and ") != std::string::npos ? "both" : "it") + " to 0 (sysctl)";
}

}  // namespace vpowercap
