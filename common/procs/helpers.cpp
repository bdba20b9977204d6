// SPDX-License-Identifier: Apache-2.0
// Finding of helper processes.
#include "common/procs/helpers.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "common/base/file.hpp"
#include "common/procs/process_files.hpp"
#include "common/procs/stat_line.hpp"
#include "common/procs/vm_process.hpp"

namespace vpowercap {
namespace {

constexpr std::uint64_t kernel_thread_flag = 0x00200000;  // PF_KTHREAD in field 9 of stat

struct Process {
  std::string comm;
  std::int64_t parent = 0;
  std::uint64_t flags = 0;
  std::uint64_t start_ticks = 0;
};
using Processes = std::map<std::int64_t, Process>;

/// Where helpers are looked for, and the first file of it that could not be read.
struct Search {
  std::string proc_root;
  std::optional<Error> problem;

  void tell(Error error) {
    if (!problem) problem = std::move(error);
  }
  /// True when it has a value. Without one it is told, unless what was to be read has ended.
  template <typename T>
  bool has(const Result<T>& result) {
    if (!result && !has_ended(result.error().code)) tell(result.error());
    return result.has_value();
  }
};

std::vector<std::string> names_in(Search& search, const std::string& directory) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), &::closedir);
  errno = open ? 0 : errno;
  while (const dirent* const entry = open ? ::readdir(open.get()) : nullptr)
    names.emplace_back(entry->d_name);
  if (errno != 0 && !has_ended(errno)) search.tell({errno, "cannot list all of " + directory});
  std::sort(names.begin(), names.end());
  return names;
}

/// A number at the front of `text`, which is then behind it.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number <= 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

/// `path` is for messages. Errors: EPROTO.
Result<Process> parse_process(const std::string& text, const std::string& path) {
  const auto line = StatLine::parse(text);
  if (!line) return fail(EPROTO, path + " " + line.error().message);
  const auto parent = line->field(4);
  const auto flags = line->field(9);
  const auto start = line->field(22);
  for (const auto* field : {&parent, &flags, &start})
    if (!*field) return fail(EPROTO, path + " " + field->error().message);
  return Process{std::string(line->comm()), static_cast<std::int64_t>(*parent), *flags, *start};
}

Processes read_processes(Search& search) {
  Processes all;
  for (const auto& name : names_in(search, search.proc_root)) {
    std::string_view rest = name;
    const auto pid = take_number(rest);
    if (!pid || !rest.empty()) continue;
    const auto path = process_directory(search.proc_root, *pid) + "/stat";
    const auto text = read_file_at(AT_FDCWD, path);
    if (!search.has(text)) continue;
    auto process = parse_process(*text, path);
    if (search.has(process)) all[*pid] = std::move(*process);
  }
  return all;
}

/// "ID-NAME" of a QEMU that libvirt started: the directory of its master key.
std::optional<std::string> short_name(Search& search, std::int64_t qemu) {
  constexpr std::string_view before = "/domain-";
  constexpr std::string_view after = "/master-key.aes";
  const auto directory = process_directory(search.proc_root, qemu);
  const auto text = read_arguments(directory);
  if (!search.has(text)) return std::nullopt;
  if (!text->empty() && !text->ends_with('\0'))
    search.tell({EPROTO, directory + "/cmdline is cut off"});
  const auto arguments = split_arguments(*text);
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    if (arguments[i - 1] != "-object") continue;
    const std::string_view object = arguments[i];
    const auto end = object.find(after);
    if (end == std::string_view::npos) continue;
    const auto begin = object.rfind(before, end);
    if (begin == std::string_view::npos) continue;
    const auto name = object.substr(begin + before.size(), end - begin - before.size());
    std::string_view rest = name;
    if (take_number(rest) && rest.starts_with('-') && rest.find('/') == std::string_view::npos)
      return std::string(name);
  }
  return std::nullopt;
}

bool is_helper_program(const std::string& comm) {
  static const std::set<std::string> programs{"virtiofsd",   "swtpm",        "passt",
                                              "passt.avx2",  "slirp-helper", "vhost-user-gpu",
                                              "dbus-daemon", "nbdkit",       "qemu-pr-helper"};
  return programs.contains(comm);
}

/// Collects who belongs to whom, each process once.
class Claims {
 public:
  explicit Claims(const Processes& all, const std::vector<std::int64_t>& qemu_pids)
      : all_(all), taken_(qemu_pids.begin(), qemu_pids.end()) {}

  void claim(std::int64_t qemu, std::int64_t pid) {
    const auto found = all_.find(pid);
    if (found == all_.end() || !taken_.insert(pid).second) return;
    helpers_[qemu].push_back({pid, found->second.start_ticks});
    for (const auto& [child, process] : all_)
      if (process.parent == pid) claim(qemu, child);
  }
  std::map<std::int64_t, std::vector<ProcessId>> take() { return std::move(helpers_); }

 private:
  const Processes& all_;
  std::set<std::int64_t> taken_;
  std::map<std::int64_t, std::vector<ProcessId>> helpers_;
};

void claim_kernel_threads(Claims& claims, const Processes& all,
                          const std::vector<std::int64_t>& qemus) {
  constexpr std::string_view prefix = "vhost-";
  for (const auto& [pid, process] : all) {
    std::string_view rest = process.comm;
    if ((process.flags & kernel_thread_flag) == 0 || !rest.starts_with(prefix)) continue;
    rest.remove_prefix(prefix.size());
    const auto qemu = take_number(rest);
    if (qemu && rest.empty() && std::find(qemus.begin(), qemus.end(), *qemu) != qemus.end())
      claims.claim(*qemu, pid);
  }
}

void claim_by_files(Claims& claims, Search& search, const Processes& all, const std::string& directory,
                    const std::map<std::string, std::int64_t>& qemu_of) {
  for (const auto& name : names_in(search, directory)) {
    if (!name.ends_with(".pid")) continue;
    for (const auto& [vm, qemu] : qemu_of) {
      if (!name.starts_with(vm + "-")) continue;
      const auto text = read_file_at(AT_FDCWD, directory + "/" + name, 64);
      if (!search.has(text)) continue;
      std::string_view rest = without_newline(*text);
      const auto pid = take_number(rest);
      if (!text->empty() && (!pid || !rest.empty()))
        search.tell({EPROTO, directory + "/" + name + " holds no process number"});
      const auto found = pid && rest.empty() ? all.find(*pid) : all.end();
      if (found != all.end() && is_helper_program(found->second.comm)) claims.claim(qemu, *pid);
    }
  }
}

}  // namespace

FoundHelpers find_helpers(const std::string& proc_root, const std::string& libvirt_pid_dir,
                          const std::vector<std::int64_t>& qemu_pids) {
  Search search{proc_root, {}};
  const auto all = read_processes(search);
  Claims claims(all, qemu_pids);
  claim_kernel_threads(claims, all, qemu_pids);
  std::map<std::string, std::int64_t> qemu_of;
  for (const auto qemu : qemu_pids)
    if (const auto name = short_name(search, qemu)) qemu_of[*name] = qemu;
  if (!qemu_of.empty() && !libvirt_pid_dir.empty())
    for (const char* below : {"", "/swtpm", "/passt", "/slirp", "/dbus"})
      claim_by_files(claims, search, all, libvirt_pid_dir + below, qemu_of);
  return {claims.take(), std::move(search.problem)};
}

}  // namespace vpowercap
