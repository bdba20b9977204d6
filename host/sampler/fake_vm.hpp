// SPDX-License-Identifier: Apache-2.0
// A made-up QEMU process with its control group, for tests of meters.
#pragma once

#include <cstdint>
#include <string>

#include "host/sampler/vm_meter.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap::testing {

/// QEMU's process 70, started 1 s after boot, below proc/ and sys/ of a directory.
class FakeVm {
 public:
  TempDir dir;
  const VmDescription vm{.uuid = *Uuid::parse("aaaaaaaa-0000-4000-8000-000000000001"),
                         .name = "web",
                         .pid = 70,
                         .pid_start_ticks = 100,
                         .topology = {.vcpus = 4, .sockets = 2}};
  const std::string group = "/machine/qemu-1-web.libvirt-qemu";

  [[nodiscard]] MeterRoots roots() const { return {dir.path("proc"), dir.path("sys")}; }

  static std::string stat(std::int64_t id, const std::string& comm, std::uint64_t start,
                          std::uint32_t cpu, std::uint64_t total_ticks = 0, char state = 'S') {
    std::string line = std::to_string(id) + " (" + comm + ") " + state + " 1";
    for (int field = 5; field <= 52; ++field) {
      const auto value = field == 14 ? total_ticks : field == 22 ? start : field == 39 ? cpu : 0;
      line += " " + std::to_string(value);
    }
    return line + "\n";
  }
  void thread(std::int64_t tid, const std::string& comm, std::uint64_t run_ns, std::uint32_t cpu = 0,
              std::int64_t pid = 70, std::uint64_t start = 100) const {
    const auto at = "proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/";
    dir.write(at + "stat", stat(tid, comm, start, cpu));
    dir.write(at + "schedstat", std::to_string(run_ns) + " 0 0\n");
    if (tid == pid && tid != 70)
      dir.write("proc/" + std::to_string(pid) + "/stat", stat(tid, comm, start, cpu));
  }
  /// The process's own stat; `total_ticks` is what all its threads ever did, in clock ticks.
  void process(std::uint64_t total_ticks = 0, char state = 'S') const {
    dir.write("proc/70/stat", stat(70, "qemu-system-x86", 100, 0, total_ticks, state));
  }
  void in_group(std::int64_t pid, const std::string& path) const {
    dir.write("proc/" + std::to_string(pid) + "/cgroup", "0::" + path + "\n");
  }
  void usage_us(std::uint64_t us) const {
    dir.write("sys/fs/cgroup" + group + "/cpu.stat", "usage_usec " + std::to_string(us) + "\n");
  }
};

inline std::uint64_t total(const VmSample& sample) {
  std::uint64_t sum = 0;
  for (const auto& [cpu, work] : sample.by_cpu) sum += work.total_ns;
  return sum;
}

inline std::uint64_t on_cpu(const VmSample& sample, std::uint32_t cpu) {
  const auto found = sample.by_cpu.find(cpu);
  return found == sample.by_cpu.end() ? 0 : found->second.total_ns;
}

}  // namespace vpowercap::testing
