// SPDX-License-Identifier: Apache-2.0
// Files and processes of the daemon's host.
#include "tests/kills/daemon_host.hpp"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace vpowercap::testing {
namespace {

void write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path);
  if (!(file << text)) throw std::runtime_error("cannot write " + path);
}

}  // namespace

DaemonHost::DaemonHost(std::string directory, std::string qemu)
    : directory_(std::move(directory)), qemu_(std::move(qemu)) {
  const auto cpus = std::max(1u, std::thread::hardware_concurrency());
  for (unsigned cpu = 0; cpu < cpus; ++cpu)
    write(directory_ + "/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
              "/topology/physical_package_id",
          std::to_string(cpu % 2) + "\n");
  tree_ = std::make_unique<CountingTree>(directory_ + "/sys/class/powercap");
  write(directory_ + "/empty.conf", "");
  write_list();
}

void DaemonHost::start_vm(const Uuid& uuid) {
  auto process = std::make_unique<Child>();
  const auto started = process->start_program({qemu_, "-uuid", uuid.to_string()}, {}, Nanoseconds(0));
  if (!started) throw std::runtime_error(started.error().message);
  write(directory_ + "/pids/" + uuid.to_string() + ".pid", std::to_string(process->pid()) + "\n");
  vms_[uuid] = std::move(process);
  write_list();
}

void DaemonHost::end_vm(const Uuid& uuid) {
  vms_.erase(uuid);
  std::filesystem::remove(directory_ + "/pids/" + uuid.to_string() + ".pid");
  write_list();
}

Nanoseconds DaemonHost::cpu_time(const Uuid& uuid) const {
  const auto vm = vms_.find(uuid);
  clockid_t clock{};
  timespec spent{};
  if (vm == vms_.end() || ::clock_getcpuclockid(vm->second->pid(), &clock) != 0 ||
      ::clock_gettime(clock, &spent) != 0)
    return Nanoseconds(0);
  return std::chrono::seconds(spent.tv_sec) + Nanoseconds(spent.tv_nsec);
}

/// As libvirt's test driver reads it. Renamed into place: a daemon may be starting.
void DaemonHost::write_list() const {
  std::string xml = "<node>\n";
  for (const auto& [uuid, process] : vms_)
    xml += "<domain type='test'><name>" + uuid.to_string() + "</name><uuid>" + uuid.to_string() +
           "</uuid><memory>65536</memory><vcpu>2</vcpu><os><type>hvm</type></os></domain>\n";
  write(directory_ + "/node.xml.new", xml + "</node>\n");
  std::filesystem::rename(directory_ + "/node.xml.new", directory_ + "/node.xml");
}

std::vector<std::string> DaemonHost::command(const std::string& program,
                                             const std::string& run_dir) const {
  return {program,
          "--config",
          directory_ + "/empty.conf",
          "--run-dir",
          run_dir,
          "--state-dir",
          "",
          "--sysfs-root",
          sysfs_root(),
          "--libvirt-uri",
          "test://" + directory_ + "/node.xml",
          "--libvirt-pid-dir",
          directory_ + "/pids",
          "--tick",
          "0.1",
          "--topology",
          "host",
          "--quantum-uj",
          "1",
          "--log-level",
          "error"};
}

}  // namespace vpowercap::testing
