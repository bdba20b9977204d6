// SPDX-License-Identifier: Apache-2.0
// Writing of the simulated kernel's files.
#include "tests/sim/kernel_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <stdexcept>

namespace vpowercap::sim {
namespace {

constexpr double package_unit_j = 1.0 / 16384;  // 61.035 µJ
constexpr std::uint64_t traffic_unit = 65536;
constexpr double dram_unit_j = 1.0 / 65536;  // 15.3 µJ

/// A stat line with the fields that matter (proc(5)): 14 utime, 22 starttime, 39 processor.
std::string stat_line(std::int64_t id, const std::string& comm, std::int64_t run_ms,
                      std::int64_t born_ms, std::uint32_t cpu) {
  std::string line = std::to_string(id) + " (" + comm + ") S";
  for (unsigned field = 4; field <= 52; ++field) {
    if (field == 14) line += " " + std::to_string(run_ms / 10);
    else if (field == 22) line += " " + std::to_string(KernelFiles::start_ticks(born_ms));
    else if (field == 39) line += " " + std::to_string(cpu);
    else line += " 0";
  }
  return line + "\n";
}

std::string allowed_cpus(const std::vector<std::uint32_t>& cpus, std::uint32_t all) {
  if (cpus.empty()) return "0-" + std::to_string(all - 1);
  std::string list;
  for (const auto cpu : cpus) list += (list.empty() ? "" : ",") + std::to_string(cpu);
  return list;
}

}  // namespace

KernelFiles::KernelFiles(const Host& host) : host_(host) {
  write_topology();
  write();
}

void KernelFiles::put(const std::string& path, const std::string& content) {
  auto& shown = shown_[path];
  if (!shown.empty() && shown == content) return;
  auto& fd = files_[path];
  if (!fd) {
    dir_.write(path, content);
    fd.reset(::open(dir_.path(path).c_str(), O_WRONLY | O_CLOEXEC));
  } else if (content.size() < shown.size() && ::ftruncate(fd.get(), 0) != 0) {
    throw std::runtime_error("cannot shorten " + path);
  }
  if (::pwrite(fd.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size()))
    throw std::runtime_error("cannot write " + path);
  shown = content;
}

void KernelFiles::write_topology() {
  const auto& shape = host_.shape();
  for (std::uint32_t cpu = 0; cpu < shape.cpus(); ++cpu) {
    const std::string at = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    dir_.write(at + "physical_package_id", std::to_string(shape.package_of(cpu)) + "\n");
    dir_.write(at + "core_id", std::to_string(shape.core_of(cpu) % shape.cores) + "\n");
    std::string siblings;
    for (std::uint32_t i = 0; i < shape.siblings; ++i)
      siblings += (i > 0 ? "," : "") + std::to_string(shape.core_of(cpu) + i * shape.all_cores());
    dir_.write(at + "thread_siblings_list", siblings + "\n");
    const std::string cache = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index0/";
    dir_.write(cache + "level", "3\n");
    dir_.write(cache + "id", std::to_string(shape.package_of(cpu)) + "\n");
  }
}

void KernelFiles::write_zone(const std::string& id, const std::string& name, double energy_j,
                             double unit_j) {
  const std::string at = "sys/class/powercap/" + id + "/";
  const auto range = host_.shape().range_uj;
  const double range_units = std::floor(static_cast<double>(range) / 1e6 / unit_j);
  const double units = std::fmod(std::floor(energy_j / unit_j), range_units);
  put(at + "name", name + "\n");
  put(at + "max_energy_range_uj", std::to_string(range) + "\n");
  put(at + "energy_uj", std::to_string(static_cast<std::uint64_t>(units * unit_j * 1e6)) + "\n");
}

void KernelFiles::write_process(const Process& process) {
  const std::string at = "proc/" + std::to_string(process.pid);
  std::int64_t run_ms = 0;
  for (const auto index : process.threads) {
    const auto& thread = host_.threads()[index];
    const std::string task = at + "/task/" + std::to_string(thread.tid) + "/";
    put(task + "comm", thread.spec.comm + "\n");
    put(task + "schedstat", std::to_string(thread.shown_ms * 1'000'000) + " 0 0\n");
    put(task + "stat",
        stat_line(thread.tid, thread.spec.comm, thread.shown_ms, process.born_ms, thread.last_cpu));
    put(task + "status", "Name:\t" + thread.spec.comm + "\nCpus_allowed_list:\t" +
                             allowed_cpus(thread.spec.cpus, host_.shape().cpus()) + "\n");
    run_ms += thread.shown_ms;
  }
  put(at + "/comm", process.comm + "\n");
  const auto cpu = host_.threads()[process.threads.front()].last_cpu;
  put(at + "/stat", stat_line(process.pid, process.comm, run_ms, process.born_ms, cpu));
}

void KernelFiles::write_cpu_times() {
  // user nice system idle iowait irq softirq steal guest guest_nice, in 10 ms.
  std::string text = "cpu  0 0 0 0 0 0 0 0 0 0\n";
  for (std::uint32_t cpu = 0; cpu < host_.shape().cpus(); ++cpu) {
    const auto busy = host_.busy_ms()[cpu];
    text += "cpu" + std::to_string(cpu) + " " + std::to_string(busy / 10) + " 0 0 " +
            std::to_string((boot_ms + host_.now_ms() - busy) / 10) + " 0 0 0 0 0 0\n";
  }
  put("proc/stat", text + "btime 1700000000\n");
}

void KernelFiles::write_group(const std::string& directory, const std::vector<double>& bytes,
                              const std::string& tasks) {
  for (std::size_t cache = 0; cache < bytes.size(); ++cache) {
    const auto at = directory + "/mon_data/mon_L3_0" + std::to_string(cache) + "/";
    const auto shown = static_cast<std::uint64_t>(bytes[cache] / traffic_unit) * traffic_unit;
    put(at + "mbm_total_bytes", std::to_string(shown) + "\n");
    put(at + "mbm_local_bytes", std::to_string(shown) + "\n");
  }
  put(directory + "/tasks", tasks);
}

void KernelFiles::write_resctrl() {
  const std::string root = "sys/fs/resctrl";
  std::vector<double> all;
  for (const auto& package : host_.energy_shown()) all.push_back(package.memory_bytes);
  write_group(root, all, "1\n");
  for (const auto& process : host_.processes()) {
    if (!process.alive || process.vcpus == 0) continue;
    std::string tasks;
    for (const auto index : process.threads)
      if (host_.threads()[index].spec.comm.starts_with("CPU "))
        tasks += std::to_string(host_.threads()[index].tid) + "\n";
    write_group(root + "/mon_groups/vm-" + std::to_string(process.pid), process.memory_bytes, tasks);
  }
}

void KernelFiles::write() {
  for (std::uint32_t package = 0; package < host_.shape().packages; ++package) {
    const std::string id = "intel-rapl:" + std::to_string(package);
    const auto& energy = host_.energy_shown()[package];
    write_zone(id, "package-" + std::to_string(package), energy.package_j, package_unit_j);
    if (host_.shape().dram) write_zone(id + ":0", "dram", energy.dram_j, dram_unit_j);
  }
  write_cpu_times();
  if (host_.shape().resctrl) write_resctrl();
  for (const auto& process : host_.processes()) {
    if (process.alive) {
      living_.insert(process.pid);
      write_process(process);
    } else if (living_.erase(process.pid) > 0) {
      const std::string at = "proc/" + std::to_string(process.pid);
      dir_.remove(at);
      const auto is_below = [&](const auto& entry) { return entry.first.starts_with(at + "/"); };
      std::erase_if(files_, is_below);
      std::erase_if(shown_, is_below);
    }
  }
}

}  // namespace vpowercap::sim
