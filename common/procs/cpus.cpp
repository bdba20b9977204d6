// SPDX-License-Identifier: Apache-2.0
// CPUs from sysfs, their busy time from /proc/stat.
#include "common/procs/cpus.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "common/base/file.hpp"
#include "common/base/utf8.hpp"

namespace vpowercap {
namespace {

/// The N of "cpuN" and nothing else.
std::optional<std::uint32_t> parse_cpu(std::string_view name) {
  constexpr std::string_view prefix = "cpu";
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::uint32_t cpu = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), cpu);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return cpu;
}

/// The first CPU often has no `online` because it cannot be taken offline. Errors: EPROTO.
Result<bool> is_offline(const std::string& directory) {
  const std::string path = directory + "/online";
  const auto online = read_file_at(AT_FDCWD, path, 64);
  if (!online && online.error().code == ENOENT) return false;
  if (!online) return tl::unexpected(online.error());
  if (*online == "0\n" || *online == "1\n") return *online == "0\n";
  return fail(EPROTO, path + " holds \"" + printable(*online) + "\", which is neither 0 nor 1");
}

/// The id in the file `name` of the CPU's topology; 0 when there is none.
Result<std::uint32_t> read_id(const std::string& directory, const std::string& name) {
  const std::string path = directory + "/topology/" + name;
  const auto text = read_file_at(AT_FDCWD, path, 64);
  if (!text && text.error().code == ENOENT) return 0;
  if (!text) return tl::unexpected(text.error());
  if (!text->ends_with('\n')) return fail(EPROTO, path + " holds no whole line");
  if (text->starts_with('-')) return 0;
  const auto id = parse_u64(*text);
  if (!id) return fail(EPROTO, path + " " + id.error().message);
  if (*id >= std::numeric_limits<std::uint32_t>::max())
    return fail(EPROTO,
                path + " holds " + std::to_string(*id) + ", which is no id of a package or die");
  return static_cast<std::uint32_t>(*id);
}

/// The siblings of `cpu`, without itself.
Result<std::vector<std::uint32_t>> read_siblings(const std::string& directory, std::uint32_t cpu) {
  const std::string path = directory + "/topology/thread_siblings_list";
  const auto text = read_file_at(AT_FDCWD, path, 4096);
  if (!text && text.error().code == ENOENT) return std::vector<std::uint32_t>{};
  if (!text) return tl::unexpected(text.error());
  auto cpus = parse_cpu_list(*text);
  if (!cpus || !text->ends_with('\n')) return fail(EPROTO, path + " holds no list of CPUs");
  std::erase(*cpus, cpu);
  return std::move(*cpus);
}

void forget_single_dies(CpuMap& map) {
  std::map<std::uint32_t, std::set<std::uint32_t>> dies;
  for (const auto& [cpu, die] : map.die_of) dies[map.package(cpu)].insert(die);
  std::erase_if(map.die_of,
                [&](const auto& entry) { return dies[map.package(entry.first)].size() == 1; });
}

/// Sum of the busy fields of one line of /proc/stat, behind its "cpuN ", in clock ticks.
Result<std::uint64_t> busy_ticks(std::string_view line) {
  // user nice system idle iowait irq softirq steal; guest and guest_nice are within user and nice.
  constexpr bool busy[] = {true, true, true, false, false, true, true, true};
  constexpr unsigned fewest = 4;  // what every kernel has
  std::uint64_t sum = 0;
  unsigned at = 0;
  for (; at < std::size(busy) && !line.empty(); ++at) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const auto ticks = parse_u64(line.substr(0, end));
    if (!ticks) return fail(EPROTO, ticks.error().message);
    if (busy[at] && __builtin_add_overflow(sum, *ticks, &sum))
      return fail(EPROTO, "holds more time than can be counted");
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  if (at < fewest) return fail(EPROTO, "has too few fields");
  return sum;
}

}  // namespace

std::uint32_t CpuMap::package(std::uint32_t cpu) const {
  const auto found = package_of.find(cpu);
  return found == package_of.end() ? 0 : found->second;
}

std::uint32_t CpuMap::cpus_in(std::uint32_t package) const {
  return static_cast<std::uint32_t>(
      std::count_if(package_of.begin(), package_of.end(),
                    [package](const auto& entry) { return entry.second == package; }));
}

std::optional<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text) {
  constexpr std::uint64_t most = 65536;
  std::vector<std::uint32_t> cpus;
  text = without_newline(text);
  while (!text.empty()) {
    const auto range = text.substr(0, text.find(','));
    text.remove_prefix(std::min(range.size() + 1, text.size()));
    const auto dash = range.find('-');
    const auto first = parse_u64(range.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_u64(range.substr(dash + 1));
    if (!first || !last || *last < *first || *last >= most) return std::nullopt;
    if (*last - *first >= most - cpus.size()) return std::nullopt;
    for (auto cpu = *first; cpu <= *last; ++cpu) cpus.push_back(static_cast<std::uint32_t>(cpu));
  }
  return cpus;
}

Result<CpuMap> read_cpu_map(const std::string& sysfs_root) {
  const std::string path = sysfs_root + "/devices/system/cpu";
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  if (!directory) return fail_errno(errno, "cannot list " + path);
  CpuMap map;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    const auto cpu = parse_cpu(entry->d_name);
    if (!cpu) continue;
    const auto at = path + "/" + entry->d_name;
    const auto offline = is_offline(at);
    if (!offline) return tl::unexpected(offline.error());
    if (*offline) continue;
    const auto package = read_id(at, "physical_package_id");
    if (!package) return tl::unexpected(package.error());
    map.package_of[*cpu] = *package;
    const auto die = read_id(at, "die_id");
    if (!die) return tl::unexpected(die.error());
    map.die_of[*cpu] = *die;
    auto siblings = read_siblings(at, *cpu);
    if (!siblings) return tl::unexpected(siblings.error());
    if (!siblings->empty()) map.siblings[*cpu] = std::move(*siblings);
  }
  if (errno != 0) return fail_errno(errno, "cannot list all of " + path);
  if (map.package_of.empty()) return fail(ENOENT, path + " shows no online CPU");
  forget_single_dies(map);
  return map;
}

Result<std::map<std::uint32_t, std::uint64_t>> read_cpu_busy_ns(const std::string& proc_root) {
  const std::string path = proc_root + "/stat";
  // Large machines print far more than 64 KiB of interrupt counts behind the CPUs.
  const auto text = read_file_at(AT_FDCWD, path, std::size_t{16} << 20);
  if (!text) return tl::unexpected(text.error());
  return parse_cpu_busy_ns(*text, path);
}

Result<std::map<std::uint32_t, std::uint64_t>> parse_cpu_busy_ns(std::string_view text,
                                                                 const std::string& path) {
  static const auto tick_ns = static_cast<std::uint64_t>(1'000'000'000 / ::sysconf(_SC_CLK_TCK));
  std::map<std::uint32_t, std::uint64_t> busy;
  std::string_view rest = text;
  while (rest.starts_with("cpu")) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return fail(EPROTO, path + " ends within a line");
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    const std::size_t blank = std::min(line.find(' '), line.size());
    const auto cpu = parse_cpu(line.substr(0, blank));
    if (!cpu) continue;  // the sum of all, "cpu"
    const auto ticks = busy_ticks(line.substr(std::min(blank + 1, line.size())));
    if (!ticks)
      return fail(EPROTO,
                  path + ", " + std::string(line.substr(0, blank)) + ": " + ticks.error().message);
    if (__builtin_mul_overflow(*ticks, tick_ns, &busy[*cpu]))
      return fail(EPROTO, path + ", " + std::string(line.substr(0, blank)) +
                              ": holds more time than can be counted");
  }
  if (busy.empty()) return fail(EPROTO, path + " shows no CPU");
  return busy;
}

}  // namespace vpowercap
