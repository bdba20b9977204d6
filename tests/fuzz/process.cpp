// SPDX-License-Identifier: Apache-2.0
// One process's files: stat, its thread's stat and schedstat, twice, status and cmdline.
#include "common/procs/affinity.hpp"
#include "common/procs/vm_process.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

struct Files {
  fuzz::MemoryTree tree;
  fuzz::MemoryFile stat = tree.file("7/stat");
  fuzz::MemoryFile thread_stat = tree.file("7/task/7/stat");
  fuzz::MemoryFile schedstat = tree.file("7/task/7/schedstat");
  fuzz::MemoryFile status = tree.file("7/task/7/status");
  fuzz::MemoryFile cmdline = tree.file("7/cmdline");
};

void check_threads(const Files& files, const std::vector<std::string_view>& input) {
  const auto started = process_start_ticks(files.tree.path(), 7);
  if (!started) {
    law(started.error().message.starts_with(files.tree.path()), "a refusal names the file");
    return;
  }
  auto process = VmProcess::open(files.tree.path(), 7, *started);
  law(process.has_value(), "a process is the one whose start time was read");
  const auto first = process->sample();
  files.thread_stat.write(input[3]);
  files.schedstat.write(input[4]);
  const auto second = process->sample();
  if (!first || !second) return;
  law(first->size() <= 1 && second->size() <= 1, "there is one thread");
  law(process->take_problems().empty() || first->empty() || second->size() == 1,
      "a thread once seen stays");
  const auto sum = [](const auto& works) { return works.empty() ? 0 : works[0].run_ns; };
  if (!second->empty()) law(process->ended_ns() + sum(*second) >= sum(*first), "work never goes back");
  [[maybe_unused]] const auto total = process->total_ns();
}

void check_arguments(const Files& files, std::string_view text) {
  const auto arguments = process_arguments(files.tree.path(), 7);
  law(arguments.has_value(), "any bytes are a command line");
  std::string joined;
  for (const auto& argument : *arguments) joined += argument + '\0';
  if (!text.empty() && text.back() != '\0') joined.pop_back();
  law(joined == text, "a command line is its arguments");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Files files;
  const auto input = fuzz::parts(fuzz::as_text(data, size), 7);
  files.stat.write(input[0]);
  files.thread_stat.write(input[1]);
  files.schedstat.write(input[2]);
  files.status.write(input[5]);
  files.cmdline.write(input[6]);
  check_threads(files, input);
  check_arguments(files, input[6]);
  const auto allowed = read_allowed_cpus(files.tree.path("7/task"), 7);
  if (!allowed) law(allowed.error().message.starts_with(files.tree.path()), "a refusal names the file");
  return 0;
}
