// SPDX-License-Identifier: Apache-2.0
// The vendor from /proc/cpuinfo.
#include "host/rapl/cpu_vendor.hpp"

#include <fcntl.h>

#include <string_view>

#include "common/base/file.hpp"

namespace vpowercap {

Result<CpuVendor> read_cpu_vendor(const std::string& proc_root) {
  constexpr std::size_t limit = std::size_t{64} << 20;  // 2 KiB for each of very many CPUs
  const auto path = proc_root + "/cpuinfo";
  const auto text = read_file_at(AT_FDCWD, path, limit);
  if (!text && text.error().code == ENOENT) return CpuVendor::other;
  if (!text) return tl::unexpected(text.error());
  const std::size_t key = text->find("vendor_id");
  if (key == std::string::npos) return CpuVendor::other;
  const std::size_t end = text->find('\n', key);
  if (end == std::string::npos) return fail(EPROTO, path + " is cut off");
  const std::string_view line = std::string_view(*text).substr(key, end - key);
  if (line.ends_with(" GenuineIntel")) return CpuVendor::intel;
  if (line.ends_with(" AuthenticAMD") || line.ends_with(" HygonGenuine")) return CpuVendor::amd;
  return CpuVendor::other;
}

}  // namespace vpowercap
