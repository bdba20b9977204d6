// SPDX-License-Identifier: Apache-2.0
// What the kernel of a simulated host shows: /proc, CPU topology, powercap.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "tests/sim/host.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap::sim {

/// Files below a temporary directory, rewritten in place (readers keep descriptors). Quantised as the
/// kernel does: energy in RAPL units of 2^-14 J (dram 2^-16 J), CPU time of schedstat as of the last
/// scheduler tick while a thread runs, of stat in 10 ms, memory traffic in 64 KiB.
class KernelFiles {
 public:
  explicit KernelFiles(const Host& host);

  /// Shows the host as it is now.
  void write();

  [[nodiscard]] std::string proc_root() const { return dir_.path("proc"); }
  [[nodiscard]] std::string sysfs_root() const { return dir_.path("sys"); }
  [[nodiscard]] std::string ledger(const std::string& name) const {
    return dir_.path("ledger of " + name);
  }

  /// The simulated machine's age at the host's time 0.
  static constexpr std::int64_t boot_ms = 1'000'000;
  /// Field 22 of stat for something born at `ms` of the host's time.
  static std::uint64_t start_ticks(std::int64_t ms) {
    return static_cast<std::uint64_t>((ms + boot_ms) / 10);
  }

 private:
  void put(const std::string& path, const std::string& content);
  void write_zone(const std::string& id, const std::string& name, double energy_j, double unit_j);
  void write_topology();
  void write_process(const Process& process);
  void write_cpu_times();
  void write_resctrl();
  void write_group(const std::string& directory, const std::vector<double>& bytes,
                   const std::string& tasks);

  const Host& host_;
  testing::TempDir dir_;
  std::map<std::string, UniqueFd> files_;
  std::map<std::string, std::string> shown_;
  std::set<std::int64_t> living_;
};

}  // namespace vpowercap::sim
