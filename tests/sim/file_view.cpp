// SPDX-License-Identifier: Apache-2.0
// Reading of /proc and powercap by the other systems' ways.
#include "tests/sim/file_view.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace vpowercap::sim {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TaskTicks parse_stat(const std::string& line) {
  const auto open = line.find('(');
  const auto close = line.rfind(')');
  TaskTicks task{.comm = line.substr(open + 1, close - open - 1)};
  std::istringstream rest(line.substr(close + 2));
  std::string field;
  for (unsigned number = 3; rest >> field; ++number) {
    if (number == 14 || number == 15) task.ticks += std::stoull(field);
    if (number == 39) task.cpu = static_cast<std::uint32_t>(std::stoul(field));
  }
  return task;
}

std::int64_t number_of(const fs::path& path) {
  const auto name = path.filename().string();
  return name.find_first_not_of("0123456789") == std::string::npos ? std::stoll(name) : -1;
}

}  // namespace

HostTicks read_host_ticks(const std::string& proc_root) {
  std::istringstream text(content(proc_root + "/stat"));
  HostTicks host;
  std::string line;
  while (std::getline(text, line)) {
    if (!line.starts_with("cpu") || line.starts_with("cpu ")) continue;
    std::istringstream fields(line.substr(line.find(' ')));
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8 && fields >> value; ++i) {
      host.all += value;
      if (i != 3 && i != 4) host.busy += value;
    }
  }
  return host;
}

std::map<std::int64_t, std::uint64_t> read_process_ticks(const std::string& proc_root) {
  std::map<std::int64_t, std::uint64_t> ticks;
  for (const auto& entry : fs::directory_iterator(proc_root))
    if (const auto pid = number_of(entry.path()); pid > 0)
      ticks[pid] = parse_stat(content(entry.path() / "stat")).ticks;
  return ticks;
}

std::map<std::int64_t, TaskTicks> read_threads(const std::string& proc_root, std::int64_t pid) {
  std::map<std::int64_t, TaskTicks> threads;
  const fs::path at = fs::path(proc_root) / std::to_string(pid) / "task";
  if (!fs::exists(at)) return threads;
  for (const auto& entry : fs::directory_iterator(at))
    threads[number_of(entry.path())] = parse_stat(content(entry.path() / "stat"));
  return threads;
}

std::vector<std::uint64_t> read_packages(const std::string& sysfs_root) {
  std::vector<std::uint64_t> energy;
  for (;;) {
    const auto text = content(
        sysfs_root + "/class/powercap/intel-rapl:" + std::to_string(energy.size()) + "/energy_uj");
    if (text.empty()) return energy;
    energy.push_back(std::stoull(text));
  }
}

std::uint64_t read_range(const std::string& sysfs_root) {
  return std::stoull(content(sysfs_root + "/class/powercap/intel-rapl:0/max_energy_range_uj"));
}

std::vector<std::uint32_t> read_package_of_cpu(const std::string& sysfs_root) {
  std::vector<std::uint32_t> packages;
  for (;;) {
    const auto text = content(sysfs_root + "/devices/system/cpu/cpu" + std::to_string(packages.size()) +
                              "/topology/physical_package_id");
    if (text.empty()) return packages;
    packages.push_back(static_cast<std::uint32_t>(std::stoul(text)));
  }
}

}  // namespace vpowercap::sim
