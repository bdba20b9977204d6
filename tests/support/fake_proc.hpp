// SPDX-License-Identifier: Apache-2.0
// A /proc tree of a test's own making.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/temp_dir.hpp"

namespace vpowercap::testing {

/// Flags of a kernel thread: PF_KTHREAD.
inline constexpr std::uint64_t kernel_thread = 0x00200000;

/// A stat line as the kernel prints it, with the fields that matter set and the others 0.
inline std::string stat_line(std::int64_t id, const std::string& comm, std::uint64_t start_ticks,
                             std::uint32_t cpu, std::uint64_t flags = 0) {
  std::string line = std::to_string(id) + " (" + comm + ") S";
  for (unsigned field = 4; field <= 52; ++field) {
    if (field == 22) line += " " + std::to_string(start_ticks);
    else if (field == 39) line += " " + std::to_string(cpu);
    else if (field == 8) line += " -1";
    else if (field == 9) line += " " + std::to_string(flags);
    else line += " 0";
  }
  return line + "\n";
}

/// Writes or changes one thread below `dir`/PID/task.
inline void write_thread(const TempDir& dir, std::int64_t pid, std::int64_t tid,
                         const std::string& comm, std::uint64_t run_ns, std::uint32_t cpu) {
  const std::string at = std::to_string(pid) + "/task/" + std::to_string(tid);
  dir.write(at + "/schedstat", std::to_string(run_ns) + " 123 45\n");
  dir.write(at + "/stat", stat_line(tid, comm, 0, cpu));
}

/// Writes PID/stat below `dir`.
inline void write_process(const TempDir& dir, std::int64_t pid, const std::string& comm,
                          std::uint64_t start_ticks, std::uint64_t flags = 0) {
  const std::string at = std::to_string(pid);
  dir.write(at + "/stat", stat_line(pid, comm, start_ticks, 0, flags));
  dir.make_directory(at + "/task");
}

}  // namespace vpowercap::testing
