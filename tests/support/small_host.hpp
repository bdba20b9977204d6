// SPDX-License-Identifier: Apache-2.0
// A host in files, tick by tick, whose truth the test knows: zones that draw, CPUs and VMs that work.
#pragma once

#include <cstdint>
#include <cstring>
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
  struct Zone {
    std::string id, name;
    std::uint64_t power_uw;
    std::uint64_t first_uj;      ///< what the counter began with
    std::uint64_t drawn_uj = 0;  ///< since
    [[nodiscard]] std::uint64_t raw_uj() const { return (first_uj + drawn_uj) % range_uj; }
  };
  static constexpr std::uint64_t range_uj = 65'532'610'987;

  SmallHost() {
    for (const char* cpu : {"0", "1"})
      dir_.write(std::string("sys/devices/system/cpu/cpu") + cpu + "/topology/physical_package_id",
                 std::string(cpu) + "\n");
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
    write_work(vms_.back());
  }
  /// Ends the VM that was started last.
  void end_vm() {
    dir_.remove(std::to_string(vms_.back().pid));
    vms_.pop_back();
  }
  /// One second: every zone draws, every vCPU and CPU works.
  void pass_time() {
    now_ += std::chrono::seconds(1);
    const auto odd = static_cast<std::uint64_t>(now_.count() / 1'000'000'000 % 7);
    for (auto& zone : zones_) {
      zone.drawn_uj += zone.power_uw + odd;
      dir_.write("sys/class/powercap/" + zone.id + "/energy_uj", std::to_string(zone.raw_uj()) + "\n");
    }
    const auto busy = std::to_string(now_.count() / 11'000'000) + " 0 0 0 0 0 0 0 0 0\n";
    dir_.write("stat", "cpu 0 0 0 0\ncpu0 " + busy + "cpu1 " + busy);
    for (const auto& vm : vms_) write_work(vm);
  }

  [[nodiscard]] Nanoseconds now() const override { return now_; }
  [[nodiscard]] const std::vector<VmDescription>& vms() const { return vms_; }
  [[nodiscard]] const std::vector<Zone>& zones() const { return zones_; }
  [[nodiscard]] std::string proc_root() const { return dir_.path(); }
  [[nodiscard]] std::string sysfs_root() const { return dir_.path("sys"); }
  [[nodiscard]] std::string path(std::string_view below) const { return dir_.path(below); }
  /// CPU time of a VM up to now, in ns: no one may count more.
  [[nodiscard]] std::uint64_t work_ns(const VmDescription& vm) const {
    const auto run = run_ns(vm.pid);
    const auto threads = run / 10 + run + run / 3;
    return has_group(vm.pid) ? (threads / 1000 + run / 20'000) * 1000 : threads;
  }

 private:
  static constexpr std::uint64_t start_ticks = 100;

  static bool has_group(std::int64_t pid) { return pid % 2 == 0; }
  static std::string group(std::int64_t pid) {
    return "/machine/qemu-" + std::to_string(pid) + ".libvirt-qemu";
  }
  [[nodiscard]] std::uint64_t run_ns(std::int64_t pid) const {
    return static_cast<std::uint64_t>(now_.count() / 1000 * pid);
  }
  void write_work(const VmDescription& vm) const {
    const auto run = run_ns(vm.pid);
    write_process(dir_, vm.pid, "qemu", start_ticks);
    write_thread(dir_, vm.pid, vm.pid, "qemu", run / 10, 0);
    write_thread(dir_, vm.pid, vm.pid + 100'000, "CPU 0/KVM", run, 0);
    write_thread(dir_, vm.pid, vm.pid + 200'000, "CPU 1/KVM", run / 3, 1);
    if (has_group(vm.pid))
      dir_.write("sys/fs/cgroup" + group(vm.pid) + "/cpu.stat",
                 "usage_usec " + std::to_string(work_ns(vm) / 1000) + "\n");
  }

  TempDir dir_;  ///< is the /proc root, too
  Nanoseconds now_ = std::chrono::seconds(1000);
  std::uint64_t started_ = 0;
  std::vector<VmDescription> vms_;
  std::vector<Zone> zones_ = {{"intel-rapl:0", "package-0", 140'000'003, 5},
                              {"intel-rapl:0:0", "dram", 12'345'677, 7'777},
                              {"intel-rapl:1", "package-1", 85'000'001, range_uj - 1}};
};

}  // namespace vpowercap::testing
