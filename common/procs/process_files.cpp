// SPDX-License-Identifier: Apache-2.0
// Start time and arguments of a process.
#include "common/procs/process_files.hpp"

#include <fcntl.h>

#include <array>
#include <string_view>
#include <vector>

#include "common/base/file.hpp"
#include "common/procs/stat_line.hpp"
#include "common/procs/vm_process.hpp"

namespace vpowercap {

std::string process_directory(const std::string& proc_root, std::int64_t pid) {
  return proc_root + "/" + std::to_string(pid);
}

Result<std::uint64_t> start_ticks_at(int fd, const std::string& directory) {
  const std::string path = directory + "/stat";
  const auto file = open_at(fd, "stat", O_RDONLY);
  if (!file) {
    if (has_ended(file.error().code)) return fail(ESRCH, "there is no process " + directory);
    return fail_errno(file.error().code, "cannot open " + path);
  }
  std::array<char, proc_line_bytes> buffer;
  const auto text = pread_line(file->get(), buffer);
  if (!text) {
    if (has_ended(text.error().code)) return fail(ESRCH, "there is no process " + directory);
    return fail(text.error().code, path + ": " + text.error().message);
  }
  const auto line = StatLine::parse(*text);
  if (!line) return fail(EPROTO, path + " " + line.error().message);
  const auto ticks = line->field(22);
  if (!ticks) return fail(EPROTO, path + " " + ticks.error().message);
  return *ticks;
}

Result<std::uint64_t> process_start_ticks(const std::string& proc_root, std::int64_t pid) {
  const std::string directory = process_directory(proc_root, pid);
  const auto fd = open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  if (!fd && has_ended(fd.error().code)) return fail(ESRCH, "there is no process " + directory);
  if (!fd) return tl::unexpected(fd.error());
  return start_ticks_at(fd->get(), directory);
}

Result<std::string> read_arguments(const std::string& directory) {
  // The kernel's own bound for one argument is 128 KiB; QEMU's whole line stays far below this one.
  auto text = read_file_at(AT_FDCWD, directory + "/cmdline", std::size_t{4} << 20);
  if (!text && has_ended(text.error().code)) return fail(ESRCH, "there is no process " + directory);
  return text;
}

Result<std::vector<std::string>> process_arguments(const std::string& proc_root, std::int64_t pid) {
  const auto text = read_arguments(process_directory(proc_root, pid));
  if (!text) return tl::unexpected(text.error());
  return split_arguments(*text);
}

std::vector<std::string> split_arguments(std::string_view text) {
  std::vector<std::string> arguments;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\0');
    arguments.emplace_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return arguments;
}

}  // namespace vpowercap
