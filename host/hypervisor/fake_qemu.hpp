// SPDX-License-Identifier: Apache-2.0
// For tests: PID files and a /proc tree with QEMU processes in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/uuid.hpp"
#include "tests/support/fake_proc.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {

/// A pid directory and a /proc root of a test's own.
struct FakeHost {
  testing::TempDir dir;
  std::string pid_dir = dir.path("pids");
  std::string proc_root = dir.path("proc");

  FakeHost() {
    dir.make_directory("pids");
    dir.make_directory("proc");
  }
  /// A process with the command line of QEMU for `uuid`.
  void start_process(int pid, const std::string& uuid, std::uint64_t start_ticks) const {
    set_arguments(pid, {"/usr/bin/qemu-system-x86_64", "-name", "guest=x", "-uuid", uuid});
    dir.write("proc/" + std::to_string(pid) + "/stat",
              testing::stat_line(pid, "qemu-system-x86", start_ticks, 0));
  }
  void set_arguments(int pid, const std::vector<std::string>& arguments) const {
    std::string cmdline;
    for (const auto& argument : arguments) cmdline.append(argument).push_back('\0');
    dir.write("proc/" + std::to_string(pid) + "/cmdline", cmdline);
  }
  void end_process(int pid) const { dir.remove("proc/" + std::to_string(pid)); }
  void write_pid(const std::string& name, const std::string& content) const {
    dir.write("pids/" + name + ".pid", content);
  }
  /// The XML of a domain.
  static std::string xml(const std::string& uuid, const std::string& name,
                         const std::string& more = "") {
    return "<domain type='qemu'><name>" + name + "</name><uuid>" + uuid + "</uuid>" + more +
           "</domain>";
  }
};

inline constexpr const char* uuid_a = "aaaaaaaa-edaf-9455-926a-d65c16db1809";
inline constexpr const char* uuid_b = "bbbbbbbb-edaf-9455-926a-d65c16db1809";

}  // namespace vpowercap
