// SPDX-License-Identifier: Apache-2.0
// What a machine says of its CPUs, file by file: package, die, siblings, online, caches, vendor.
#include "common/procs/cpus.hpp"
#include "common/procs/resctrl.hpp"
#include "host/rapl/cpu_vendor.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

struct Files {
  fuzz::MemoryTree tree;
  std::string cpus = "sys/devices/system/cpu/";
  fuzz::MemoryFile package0 = tree.file(cpus + "cpu0/topology/physical_package_id");
  fuzz::MemoryFile package1 = tree.file(cpus + "cpu1/topology/physical_package_id");
  fuzz::MemoryFile die0 = tree.file(cpus + "cpu0/topology/die_id");
  fuzz::MemoryFile die1 = tree.file(cpus + "cpu1/topology/die_id");
  fuzz::MemoryFile siblings = tree.file(cpus + "cpu0/topology/thread_siblings_list");
  fuzz::MemoryFile online = tree.file(cpus + "cpu1/online");
  fuzz::MemoryFile level = tree.file(cpus + "cpu0/cache/index0/level");
  fuzz::MemoryFile cache = tree.file(cpus + "cpu0/cache/index0/id");
  fuzz::MemoryFile cpuinfo = tree.file("proc/cpuinfo");
};

void check_map(const CpuMap& map, bool is_second_online) {
  law(map.package_of.size() == (is_second_online ? 2u : 1u) && map.package_of.contains(0),
      "a CPU is left out if its file says that it is offline");
  std::uint32_t cpus = 0;
  for (const auto& [cpu, package] : map.package_of)
    if (package == map.package(0)) ++cpus;
  law(map.cpus_in(map.package(0)) == cpus, "packages have the CPUs that say so");
  law(map.die_of.empty() || (map.die_of.size() == 2 && map.package(0) == map.package(1) &&
                             map.die_of.at(0) != map.die_of.at(1)),
      "dies are told of packages with several only");
  for (const auto& [cpu, siblings] : map.siblings) {
    law(!siblings.empty(), "a CPU without siblings is not among those with some");
    for (const auto sibling : siblings) law(sibling != cpu, "a CPU is not its own sibling");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Files files;
  const auto input = fuzz::parts(fuzz::as_text(data, size), 9);
  const fuzz::MemoryFile* const all[] = {&files.package0, &files.package1, &files.die0,
                                         &files.die1,     &files.siblings, &files.online,
                                         &files.level,    &files.cache,    &files.cpuinfo};
  for (std::size_t i = 0; i < input.size(); ++i) all[i]->write(input[i]);
  const auto sys = files.tree.path("sys");
  const auto map = read_cpu_map(sys);
  if (map) check_map(*map, input[5] != "0\n");
  else
    law((map.error().code == EPROTO || map.error().code == EFBIG) &&
            map.error().message.starts_with(sys),
        "a refusal names the file");
  const auto caches = read_l3_caches(sys, {0, 1});
  law(caches.empty() || (caches.size() == 1 && caches.begin()->second == 0 && input[6] == "3\n"),
      "the one cache is that of the third level");
  const auto vendor = read_cpu_vendor(files.tree.path("proc"));
  law(vendor == CpuVendor::other || input[8].find("vendor_id") != std::string_view::npos,
      "a vendor is not made up");
  return 0;
}
