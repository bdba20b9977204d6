// SPDX-License-Identifier: Apache-2.0
// Parsing of CPU lists and of a thread's status.
#include "common/procs/affinity.hpp"

#include <fcntl.h>

#include <algorithm>
#include <limits>

#include "common/base/file.hpp"
#include "common/base/utf8.hpp"
#include "common/procs/process_files.hpp"

namespace vpowercap {
namespace {

Result<std::uint32_t> parse_cpu(std::string_view text) {
  const auto cpu = text.ends_with('\n') ? parse_u64("") : parse_u64(text);
  if (!cpu || *cpu > std::numeric_limits<std::uint32_t>::max())
    return fail(EPROTO, "holds \"" + printable(text) + "\" where a CPU's number should be");
  return static_cast<std::uint32_t>(*cpu);
}

}  // namespace

Result<CpuList> CpuList::parse(std::string_view text) {
  CpuList list;
  std::string_view rest = without_newline(text);
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view range = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const std::size_t dash = range.find('-');
    const auto first = parse_cpu(range.substr(0, dash));
    if (!first) return tl::unexpected(first.error());
    const auto last = dash == std::string_view::npos ? first : parse_cpu(range.substr(dash + 1));
    if (!last) return tl::unexpected(last.error());
    if (*last < *first) return fail(EPROTO, "holds \"" + printable(range) + "\", which is no range");
    list.ranges_.emplace_back(*first, *last);
  }
  return list;
}

bool CpuList::contains(std::uint32_t cpu) const {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [cpu](const auto& range) { return range.first <= cpu && cpu <= range.second; });
}

Result<CpuList> read_allowed_cpus(const std::string& task_directory, std::int64_t tid) {
  constexpr std::string_view key = "\nCpus_allowed_list:\t";
  const std::string path = task_directory + "/" + std::to_string(tid) + "/status";
  const auto text = read_file_at(AT_FDCWD, path);
  if (!text && has_ended(text.error().code)) return fail(ESRCH, path + " is gone");
  if (!text) return fail_errno(text.error().code, "cannot read " + path);
  const std::size_t at = text->find(key);
  if (at == std::string::npos) return fail(EPROTO, path + " has no Cpus_allowed_list");
  const std::string_view value = std::string_view(*text).substr(at + key.size());
  if (value.find('\n') == std::string_view::npos) return fail(EPROTO, path + " is cut off");
  auto list = CpuList::parse(value.substr(0, value.find('\n')));
  if (!list) return fail(EPROTO, path + ", Cpus_allowed_list: " + list.error().message);
  return list;
}

}  // namespace vpowercap
