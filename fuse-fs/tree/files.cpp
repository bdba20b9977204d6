// SPDX-License-Identifier: Apache-2.0
// The table of files, after drivers/powercap/powercap_sys.c and drivers/base/power/sysfs.c.
#include "fuse-fs/tree/files.hpp"

#include <array>

namespace vpowercap {
namespace {

constexpr auto regular = FileType::regular;
constexpr std::uint8_t any_zone = package_directory | subzone_directory;
constexpr std::uint8_t any_device = control_type_directory | any_zone;

// The control type has no `name`: several readers tell it from zones by that. Limits are those of a
// package without any: a guest cannot limit power, and readers that want constraints find them.
constexpr auto specs = std::to_array<FileSpec>({
    {File::name, "name", regular, 0444, any_zone, ""},
    {File::energy_uj, "energy_uj", regular, 0400, any_zone, ""},
    {File::max_energy_range_uj, "max_energy_range_uj", regular, 0444, any_zone, ""},
    {File::enabled, "enabled", regular, 0644, control_type_directory, "1\n"},
    {File::enabled, "enabled", regular, 0644, any_zone, "0\n"},
    {File::uevent, "uevent", regular, 0644, any_device, ""},
    {File::constraint_0_name, "constraint_0_name", regular, 0444, package_directory, "long_term\n"},
    {File::constraint_0_power_limit_uw, "constraint_0_power_limit_uw", regular, 0644, package_directory,
     "0\n"},
    {File::constraint_0_time_window_us, "constraint_0_time_window_us", regular, 0644, package_directory,
     "0\n"},
    {File::constraint_0_max_power_uw, "constraint_0_max_power_uw", regular, 0444, package_directory,
     "0\n"},
    {File::constraint_1_name, "constraint_1_name", regular, 0444, package_directory, "short_term\n"},
    {File::constraint_1_power_limit_uw, "constraint_1_power_limit_uw", regular, 0644, package_directory,
     "0\n"},
    {File::constraint_1_time_window_us, "constraint_1_time_window_us", regular, 0644, package_directory,
     "0\n"},
    {File::constraint_1_max_power_uw, "constraint_1_max_power_uw", regular, 0444, package_directory,
     "0\n"},
    {File::subsystem, "subsystem", FileType::link, 0777, any_device, ""},
    {File::device, "device", FileType::link, 0777, any_zone, ""},
    {File::power, "power", FileType::directory, 0755, any_device, ""},
    {File::power_control, "control", regular, 0644, power_directory, "auto\n"},
    {File::power_runtime_status, "runtime_status", regular, 0444, power_directory, "unsupported\n"},
    {File::power_runtime_active_time, "runtime_active_time", regular, 0444, power_directory, "0\n"},
    {File::power_runtime_suspended_time, "runtime_suspended_time", regular, 0444, power_directory,
     "0\n"},
});

}  // namespace

std::span<const FileSpec> file_specs() { return specs; }

const FileSpec* find_spec(File file, std::uint8_t kind) {
  for (const auto& spec : specs)
    if (spec.file == file && (spec.directories & kind) != 0) return &spec;
  return nullptr;
}

DirectoryKind kind_of(Node node) {
  if (node.file >= File::power && node.file <= File::power_runtime_suspended_time)
    return power_directory;
  if (node.place == Place::vm() || node.file == File::flat_link) return vm_directory;
  if (node.place == Place::control_type()) return control_type_directory;
  return node.place.domain() == EnergyDomain::package ? package_directory : subzone_directory;
}

}  // namespace vpowercap
