// SPDX-License-Identifier: Apache-2.0
// A host in files, tick by tick, whose truth the test knows: zones that draw, CPUs and VMs that work.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/model/vm.hpp"
#include "tests/support/fake_powercap.hpp"
#include "tests/support/fake_proc.hpp"

namespace vpowercap::testing {

/// Two packages, one CPU each, dram in the first; every counter wraps at AMD's 65.5 kJ, the second
/// package's at once. VMs have two vCPUs; every second one a control group. Is its own clock.
class SmallHost final : public Clock {
 public:
  /// What VMs and machine have besides.
  enum class More {
    nothing,
    /// Helpers: each VM a virtiofsd, those without a control group a vhost kernel thread too. resctrl
    /// counts memory traffic, that of VMs with a group apart.
    helpers_and_traffic,
  };
  struct Zone {
    std::string id, name;
    std::uint64_t power_uw;
    std::uint64_t first_uj;      ///< what the counter began with
    std::uint64_t drawn_uj = 0;  ///< since
    [[nodiscard]] std::uint64_t raw_uj() const { return (first_uj + drawn_uj) % range_uj; }
  };
  static constexpr std::uint64_t odd_uw = 6;  ///< at most so much more than its power a zone draws
  static constexpr std::uint64_t range_uj = 65'532'610'987;

  explicit SmallHost(More more = More::nothing) : has_more_(more != More::nothing) {
    for (const unsigned cpu : {0u, 1u}) write_cpu(cpu, cpu);
    for (const auto& zone : zones_)
      write_zone(dir_, "sys/class/powercap/" + zone.id, zone.name, zone.raw_uj(), range_uj);
  }

  void start_vm() {
    const std::int64_t pid = 70 + static_cast<std::int64_t>(started_);
    ++started_;
    Uuid uuid;
    std::memcpy(uuid.bytes.data(), &started_, sizeof started_);
    vms_.push_back({.uuid = uuid,
                    .name = "vm",
                    .pid = pid,
                    .pid_start_ticks = start_ticks,
                    .topology = {.vcpus = 2, .sockets = 1},
                    .settings = {.quantum_uj = 1, .topology = TopologyView::host}});
    if (has_group(pid)) dir_.write(std::to_string(pid) + "/cgroup", "0::" + group(pid) + "\n");
    write_process(dir_, pid, "qemu", start_ticks);
    if (has_more_) start_helpers(pid);
    write_work(vms_.back());
    if (has_more_) write_traffic();
  }
  /// Ends the VM that was started last, and its helpers.
  void end_vm() {
    const auto pid = vms_.back().pid;
    for (const auto one : {pid, virtiofsd_of(pid), vhost_of(pid)}) dir_.remove(std::to_string(one));
    dir_.remove(pid_file(pid));
    dir_.remove(traffic_group(pid));
    vms_.pop_back();
  }
  /// A third CPU, in the second package.
  void plug_cpu() {
    write_cpu(2, 1);
    ++cpus_;
  }
  void unplug_cpu() {
    dir_.remove("sys/devices/system/cpu/cpu2");
    --cpus_;
  }
  /// One second: every zone draws, every vCPU and CPU works.
  void pass_time() {
    now_ += std::chrono::seconds(1);
    const auto odd = static_cast<std::uint64_t>(now_.count() / 1'000'000'000) % (odd_uw + 1);
    for (auto& zone : zones_) {
      zone.drawn_uj += zone.power_uw + odd;
      dir_.write("sys/class/powercap/" + zone.id + "/energy_uj", std::to_string(zone.raw_uj()) + "\n");
    }
    std::string stat = "cpu 0 0 0 0\n";
    for (unsigned cpu = 0; cpu < cpus_; ++cpu)
      stat += "cpu" + std::to_string(cpu) + " " + std::to_string(now_.count() / 11'000'000) +
              " 0 0 0 0 0 0 0 0 0\n";
    dir_.write("stat", stat);
    for (const auto& vm : vms_) write_work(vm);
    if (has_more_) write_traffic();
  }

  [[nodiscard]] Nanoseconds now() const override { return now_; }
  [[nodiscard]] const std::vector<VmDescription>& vms() const { return vms_; }
  [[nodiscard]] const std::vector<Zone>& zones() const { return zones_; }
  [[nodiscard]] std::string proc_root() const { return dir_.path(); }
  [[nodiscard]] std::string sysfs_root() const { return dir_.path("sys"); }
  [[nodiscard]] std::string libvirt_pid_dir() const { return has_more_ ? dir_.path("pids") : ""; }
  [[nodiscard]] std::string path(std::string_view below) const { return dir_.path(below); }
  /// CPU time of a VM up to now, in ns: no one may count more.
  [[nodiscard]] std::uint64_t work_ns(const VmDescription& vm) const {
    const auto run = run_ns(vm.pid);
    const auto helpers = !has_more_ ? 0 : has_group(vm.pid) ? run / 5 : run / 5 + run / 7;
    const auto threads = run / 10 + run + run / 3 + helpers;
    return has_group(vm.pid) ? (threads / 1000 + run / 20'000) * 1000 : threads;
  }

 private:
  static constexpr std::uint64_t start_ticks = 100;

  void write_cpu(unsigned cpu, unsigned package) const {
    const auto at = "sys/devices/system/cpu/cpu" + std::to_string(cpu);
    dir_.write(at + "/topology/physical_package_id", std::to_string(package) + "\n");
    if (!has_more_) return;
    dir_.write(at + "/online", "1\n");
    dir_.write(at + "/topology/die_id", "0\n");
    dir_.write(at + "/topology/thread_siblings_list", std::to_string(cpu) + "\n");
    dir_.write(at + "/cache/index0/level", "3\n");
    dir_.write(at + "/cache/index0/id", std::to_string(package) + "\n");
  }
  static bool has_group(std::int64_t pid) { return pid % 2 == 0; }
  static std::string group(std::int64_t pid) {
    return "/machine/qemu-" + std::to_string(pid) + ".libvirt-qemu";
  }
  [[nodiscard]] std::uint64_t run_ns(std::int64_t pid) const {
    return static_cast<std::uint64_t>(now_.count() / 1000 * pid);
  }
  static std::int64_t virtiofsd_of(std::int64_t pid) { return pid + 1000; }
  static std::int64_t vhost_of(std::int64_t pid) { return pid + 2000; }
  static std::string vhost_name(std::int64_t pid) { return "vhost-" + std::to_string(pid); }
  static std::string domain(std::int64_t pid) { return std::to_string(pid) + "-vm"; }
  static std::string pid_file(std::int64_t pid) { return "pids/" + domain(pid) + "-fs0-fs.pid"; }
  static std::string traffic_group(std::int64_t pid) {
    return "sys/fs/resctrl/mon_groups/" + domain(pid);
  }
  void start_helpers(std::int64_t pid) const {
    using std::literals::string_literals::operator""s;
    dir_.write(std::to_string(pid) + "/cmdline",
               "qemu\0-object\0{\"file\":\"/l/domain-"s + domain(pid) + "/master-key.aes\"}\0"s);
    dir_.write(pid_file(pid), std::to_string(virtiofsd_of(pid)) + "\n");
    dir_.write(std::to_string(virtiofsd_of(pid)) + "/cgroup",
               "0::" + (has_group(pid) ? group(pid) : "/system.slice") + "\n");
    write_process(dir_, virtiofsd_of(pid), "virtiofsd", start_ticks);
    for (const auto& [vcpu, cpus] : {std::pair{100'000, "0"}, {200'000, "0-1"}})
      dir_.write(std::to_string(pid) + "/task/" + std::to_string(pid + vcpu) + "/status",
                 std::string("Name:\tCPU\nCpus_allowed_list:\t") + cpus + "\nMems_allowed:\t1\n");
    if (has_group(pid)) return;
    dir_.write(std::to_string(vhost_of(pid)) + "/cgroup", "0::/\n");
    write_process(dir_, vhost_of(pid), vhost_name(pid), start_ticks, kernel_thread);
  }
  void write_more(std::int64_t pid, std::uint64_t run) const {
    write_thread(dir_, virtiofsd_of(pid), virtiofsd_of(pid), "virtiofsd", run / 5, 0);
    if (has_group(pid)) return;
    write_thread(dir_, vhost_of(pid), vhost_of(pid), vhost_name(pid), run / 7, 1);
  }
  void write_traffic() const {
    const auto write = [&](const std::string& group, std::uint64_t bytes) {
      for (const std::string cache : {"0", "1"}) {
        const auto at = group + "/mon_data/mon_L3_0" + cache;
        dir_.write(at + "/mbm_total_bytes", std::to_string(bytes) + "\n");
        dir_.write(at + "/mbm_local_bytes", std::to_string(bytes / 2) + "\n");
      }
    };
    const auto bytes = static_cast<std::uint64_t>(now_.count() / 1000);
    write("sys/fs/resctrl", 10 * bytes);
    dir_.write("sys/fs/resctrl/tasks", "1\n");
    for (const auto& [pid, threads] : counted_apart()) {
      dir_.write(traffic_group(pid) + "/tasks", threads);
      write(traffic_group(pid), bytes * static_cast<std::uint64_t>(pid) / 70);
    }
  }
  /// VMs whose traffic is counted apart, with their threads.
  [[nodiscard]] std::map<std::int64_t, std::string> counted_apart() const {
    std::map<std::int64_t, std::string> all;
    for (const auto& vm : vms_)
      if (has_group(vm.pid))
        for (const auto tid : {vm.pid, vm.pid + 100'000, vm.pid + 200'000})
          all[vm.pid] += std::to_string(tid) + "\n";
    return all;
  }
  void write_work(const VmDescription& vm) const {
    const auto run = run_ns(vm.pid);
    write_thread(dir_, vm.pid, vm.pid, "qemu", run / 10, 0);
    write_thread(dir_, vm.pid, vm.pid + 100'000, "CPU 0/KVM", run, 0);
    write_thread(dir_, vm.pid, vm.pid + 200'000, "CPU 1/KVM", run / 3, 1);
    if (has_more_) write_more(vm.pid, run);
    if (has_group(vm.pid))
      dir_.write("sys/fs/cgroup" + group(vm.pid) + "/cpu.stat",
                 "usage_usec " + std::to_string(work_ns(vm) / 1000) + "\n");
  }

  TempDir dir_;  ///< is the /proc root, too
  bool has_more_;
  Nanoseconds now_ = std::chrono::seconds(1000);
  unsigned cpus_ = 2;
  std::uint64_t started_ = 0;
  std::vector<VmDescription> vms_;
  std::vector<Zone> zones_ = {{"intel-rapl:0", "package-0", 140'000'003, 5},
                              {"intel-rapl:0:0", "dram", 12'345'677, 7'777},
                              {"intel-rapl:1", "package-1", 85'000'001, range_uj - 1}};
};

}  // namespace vpowercap::testing
