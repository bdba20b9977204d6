// SPDX-License-Identifier: Apache-2.0
// What real kinds of machines show below /sys/class/powercap, as text, and its writing into a
// directory.
#pragma once

#include <filesystem>
#include <sstream>
#include <string>

#include "tests/support/fake_powercap.hpp"

namespace vpowercap::testing {

// One line per zone: id, name, energy_uj, max_energy_range_uj and, where the kernel has it,
// constraint_0_max_power_uw. "vendor" is /proc/cpuinfo's.
namespace layouts {

inline constexpr const char* client = R"(vendor GenuineIntel
intel-rapl:0       package-0 26716954797 262143328850 15000000
intel-rapl:0:0     core      12628860370 262143328850
intel-rapl:0:1     uncore     2711815506 262143328850
intel-rapl:1       psys        850171102 262143328850 0
)";

inline constexpr const char* laptop_with_mmio = R"(vendor GenuineIntel
intel-rapl:0       package-0 26716954797 262143328850 28000000
intel-rapl:0:0     core      12628860370 262143328850
intel-rapl:0:1     uncore     2711815506 262143328850
intel-rapl:1       psys        850171102 262143328850 0
intel-rapl-mmio:0  package-0 26716954800 262143328850 28000000
)";

inline constexpr const char* server = R"(vendor GenuineIntel
intel-rapl:0       package-0 61523451122 262143328850 205000000
intel-rapl:0:0     dram      20333200122  65712999613 41250000
)";

/// The kernel numbers zones in the order it finds the packages, here the other way round.
inline constexpr const char* two_sockets = R"(vendor GenuineIntel
intel-rapl:0       package-1 35231629289 262143328850 165000000
intel-rapl:0:0     dram      32651449214  65712999613 33000000
intel-rapl:1       package-0 143013545932 262143328850 165000000
intel-rapl:1:0     dram      26530978739  65712999613 33000000
)";

/// Two dies in one package, each with a counter of its own.
inline constexpr const char* multi_die = R"(vendor GenuineIntel
intel-rapl:0       package-0-die-0 71000000000 262143328850 400000000
intel-rapl:0:0     dram             9000000000  65712999613
intel-rapl:1       package-0-die-1 52000000000 262143328850 400000000
intel-rapl:1:0     dram             4000000000  65712999613
)";

inline constexpr const char* amd = R"(vendor AuthenticAMD
intel-rapl:0       package-1  8826502921 65532610987
intel-rapl:0:0     core       3483880882 65532610987
intel-rapl:1       package-0 13719626935 65532610987
intel-rapl:1:0     core       8334677327 65532610987
)";

/// Kernels before 6.12: the one counter of the package as if each die had its own.
inline constexpr const char* amd_dies = R"(vendor AuthenticAMD
intel-rapl:0       package-0-die-0 10360237493 65532610987
intel-rapl:1       package-0-die-1 10359908363 65532610987
)";

inline constexpr const char* unknown_names = R"(vendor GenuineIntel
intel-rapl:0       package-0 5000000 262143328850
intel-rapl:0:0     accel     1000000 262143328850
intel-rapl:0:1     dram      2000000  65712999613
)";

/// psys, in steps of 1 J, takes the number between the packages.
inline constexpr const char* psys_between = R"(vendor GenuineIntel
intel-rapl:0       package-0      5000000     262143328850 350000000
intel-rapl:1       psys    60293987000000 4294967295000000 0
intel-rapl:2       package-1      7000000     262143328850 350000000
)";

/// Kernels of that time computed another range.
inline constexpr const char* haswell = R"(vendor GenuineIntel
intel-rapl:0       package-0 262143900000 262143999938 65000000
intel-rapl:0:0     core       16834313903 262143999938
intel-rapl:0:1     uncore         1268917 262143999938
intel-rapl:0:2     dram        2469474853 262143999938
)";

}  // namespace layouts

/// The zone's real directory below the sysfs root.
inline std::string zone_directory(const std::string& id) {
  const std::string type = id.substr(0, id.find(':'));
  const std::string parent = id.substr(0, id.rfind(':'));
  return "sys/devices/virtual/powercap/" + type + "/" + (parent == type ? "" : parent + "/") + id;
}

/// Writes `text` as the kernel lays it out: real directories, and flat links to them in the class.
inline void write_layout(const TempDir& dir, const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id, name, max_power;
    std::uint64_t energy = 0;
    std::uint64_t range = 0;
    words >> id >> name;
    if (id == "vendor") {
      dir.write("proc/cpuinfo", "processor\t: 0\nvendor_id\t: " + name + "\ncpu family\t: 6\n");
      continue;
    }
    words >> energy >> range >> max_power;
    const std::string type = id.substr(0, id.find(':'));
    write_zone(dir, zone_directory(id), name, energy, range);
    if (!max_power.empty())
      dir.write(zone_directory(id) + "/constraint_0_max_power_uw", max_power + "\n");
    dir.write("sys/devices/virtual/powercap/" + type + "/enabled", "1\n");
    dir.symlink("sys/class/powercap/" + id, "../../" + zone_directory(id).substr(4));
    if (!std::filesystem::exists(dir.path("sys/class/powercap/" + type)))
      dir.symlink("sys/class/powercap/" + type, "../../devices/virtual/powercap/" + type);
  }
}

/// Moves a zone's counter to `energy_uj`.
inline void set_energy(const TempDir& dir, const std::string& id, std::uint64_t energy_uj) {
  dir.write(zone_directory(id) + "/energy_uj", std::to_string(energy_uj) + "\n");
}

}  // namespace vpowercap::testing
