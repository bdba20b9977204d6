// SPDX-License-Identifier: Apache-2.0
// Gathering of the doctor's facts.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "common/base/file.hpp"
#include "common/procs/vm_process.hpp"
#include "common/share/request_timeouts.hpp"
#include "host/ctl/doctor.hpp"

namespace vpowercap {
namespace {

Result<LedgerView> read_ledger(const RunPaths& paths) {
  const auto reader = LedgerReader::open(paths.ledger());
  if (!reader) return tl::unexpected(reader.error());
  return look(*reader, SystemClock().now());
}

/// When the machine was started, in seconds since the epoch: "btime" of stat.
std::optional<std::int64_t> boot_time(const std::string& proc_root) {
  const auto text = read_file_at(AT_FDCWD, proc_root + "/stat", std::size_t{16} << 20);
  if (!text) return std::nullopt;
  constexpr std::string_view key = "\nbtime ";
  const auto at = text->find(key);
  if (at == std::string::npos) return std::nullopt;
  const auto begin = at + key.size();
  const auto seconds =
      parse_u64(std::string_view(*text).substr(begin, text->find('\n', begin) - begin));
  constexpr std::uint64_t latest = std::uint64_t{1} << 40;
  if (!seconds || *seconds > latest) return std::nullopt;
  return static_cast<std::int64_t>(*seconds);
}

void look_at_process(HostFacts& facts, const std::string& proc_root, std::int64_t pid,
                     std::int64_t booted) {
  const auto comm = read_file_at(AT_FDCWD, proc_root + "/" + std::to_string(pid) + "/comm", 64);
  if (!comm) return;
  const auto name = without_newline(*comm);
  if (name == "virtiofsd") {
    if (auto arguments = process_arguments(proc_root, pid))
      facts.virtiofsd.push_back(std::move(*arguments));
  } else if (name == "libvirtd" || name == "virtqemud") {
    const auto ticks = process_start_ticks(proc_root, pid);
    if (!ticks) return;
    const auto hertz = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    const auto started = booted + static_cast<std::int64_t>(*ticks / hertz);
    facts.libvirtd_started = std::max(facts.libvirtd_started.value_or(started), started);
  }
}

}  // namespace

HostFacts gather_facts(const DoctorPlaces& places) {
  HostFacts facts{.paths = places.paths, .ledger = read_ledger(places.paths)};
  facts.mounts = read_mount_table().value_or(MountTable());
  struct stat hook{};
  if (::stat(places.hook.c_str(), &hook) == 0 && (hook.st_mode & S_IXUSR) != 0)
    facts.hook_installed = hook.st_mtime;
  facts.request_timeouts = request_timeout_trouble(places.proc_root);
  const auto booted = boot_time(places.proc_root).value_or(0);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(places.proc_root, error))
    if (const auto pid = parse_u64(entry.path().filename().string()))
      look_at_process(facts, places.proc_root, static_cast<std::int64_t>(*pid), booted);
  return facts;
}

}  // namespace vpowercap
