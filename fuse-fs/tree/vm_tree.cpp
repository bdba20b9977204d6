// SPDX-License-Identifier: Apache-2.0
// Computing a VM's tree from its record.
#include "fuse-fs/tree/vm_tree.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "fuse-fs/tree/files.hpp"

namespace vpowercap {
namespace {

constexpr std::string_view control_type_name = "intel-rapl";

/// The kernel prints zone ids with %x (powercap_register_zone).
std::string hex(std::uint32_t id) {
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), id, 16).ptr;
  return {digits.data(), end};
}

/// An integer and at most one newline, as kstrtoll takes it.
bool is_number(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// What kstrtobool takes: it looks at the first character, at two of "on" and "off".
bool is_boolean(std::string_view text) {
  constexpr std::string_view first = "01yYnN";
  const bool is_word = text.size() >= 2 && (text[0] == 'o' || text[0] == 'O') &&
                       std::string_view("nNfF").find(text[1]) != std::string_view::npos;
  return is_word || (!text.empty() && first.find(text[0]) != std::string_view::npos);
}

bool is_directory(Node node) { return node.file == File::directory || node.file == File::power; }

Node directory_at(Place place) { return {place, File::directory}; }

Place package_of(Place zone) { return Place::zone(zone.socket(), EnergyDomain::package); }

bool is_package(Place place) { return place.is_zone() && place.domain() == EnergyDomain::package; }

}  // namespace

std::uint32_t VmTree::sockets() const {
  // Without package energy there is nothing to show: a zone that has a name but no energy blinds
  // readers.
  if (record_ == nullptr || !record_->shows(EnergyDomain::package)) return 0;
  return std::min(record_->sockets, max_virtual_sockets);
}

bool VmTree::has_zone(Place place) const {
  return place.is_zone() && place.socket() < sockets() && record_->shows(place.domain());
}

std::vector<Place> VmTree::zones_below(Place place) const {
  std::vector<Place> zones;
  if (place == Place::control_type())
    for (std::uint32_t socket = 0; socket < sockets(); ++socket)
      zones.push_back(Place::zone(socket, EnergyDomain::package));
  if (is_package(place))
    for (const auto domain : virtual_domains)
      if (const auto below = Place::zone(place.socket(), domain);
          domain != EnergyDomain::package && has_zone(below))
        zones.push_back(below);
  return zones;
}

std::string VmTree::directory_name(Place place) const {
  std::string name(control_type_name);
  if (!place.is_zone()) return name;
  name += ":" + hex(place.socket());
  if (is_package(place)) return name;
  // Sub-zones are numbered in the order in which they are registered, absent ones taking no number.
  const auto siblings = zones_below(package_of(place));
  return name + ":" +
         hex(static_cast<std::uint32_t>(std::ranges::find(siblings, place) - siblings.begin()));
}

std::string VmTree::path_from_root(Place place) const {
  std::string path(control_type_name);
  if (place.is_zone()) path += "/" + directory_name(package_of(place));
  if (place.is_zone() && !is_package(place)) path += "/" + directory_name(place);
  return path;
}

bool VmTree::exists(Node node) const {
  if (node.place.is_zone() && !has_zone(node.place)) return false;
  if (node.file == File::directory) return true;
  if (node.file == File::flat_link) return node.place.is_zone();
  if (node.place == Place::vm()) return false;
  return find_spec(node.file, node.file == File::power ? kind_of(directory_at(node.place))
                                                       : kind_of(node)) != nullptr;
}

std::vector<DirectoryEntry> VmTree::list(Node directory) const {
  std::vector<DirectoryEntry> entries;
  if (!is_directory(directory) || !exists(directory)) return entries;
  if (directory == directory_at(Place::vm())) {
    entries.push_back(
        {std::string(control_type_name), directory_at(Place::control_type()), FileType::directory});
    for (const auto package : zones_below(Place::control_type())) {
      entries.push_back({directory_name(package), {package, File::flat_link}, FileType::link});
      for (const auto zone : zones_below(package))
        entries.push_back({directory_name(zone), {zone, File::flat_link}, FileType::link});
    }
    return entries;
  }
  for (const auto& spec : file_specs())
    if ((spec.directories & kind_of(directory)) != 0)
      entries.push_back({std::string(spec.name), {directory.place, spec.file}, spec.type});
  if (directory.file == File::directory)
    for (const auto zone : zones_below(directory.place))
      entries.push_back({directory_name(zone), directory_at(zone), FileType::directory});
  return entries;
}

std::optional<DirectoryEntry> VmTree::find(Node directory, std::string_view name) const {
  auto entries = list(directory);
  const auto found = std::ranges::find(entries, name, &DirectoryEntry::name);
  return found != entries.end() ? std::optional(std::move(*found)) : std::nullopt;
}

Node VmTree::parent(Node directory) const {
  if (directory.file == File::power) return directory_at(directory.place);
  if (!directory.place.is_zone()) return directory_at(Place::vm());
  return directory_at(is_package(directory.place) ? Place::control_type()
                                                  : package_of(directory.place));
}

std::optional<Attributes> VmTree::attributes(Node node) const {
  if (!exists(node)) return std::nullopt;
  if (is_directory(node)) {
    const auto entries = list(node);
    const auto below = std::ranges::count(entries, FileType::directory, &DirectoryEntry::type);
    return Attributes{FileType::directory, 0755, 2 + static_cast<std::uint32_t>(below), 0};
  }
  if (node.file == File::flat_link) return Attributes{FileType::link, 0777, 1, 0};
  const auto& spec = *find_spec(node.file, kind_of(node));
  // Nothing is ever written here, whatever the record says.
  const auto permissions =
      node.file == File::energy_uj ? record_->energy_mode & 0444 : spec.permissions;
  return Attributes{spec.type, permissions, 1, spec.type == FileType::regular ? 4096u : 0u};
}

Result<std::string> VmTree::target(Node link) const {
  if (!exists(link)) return fail(ENOENT, "no such zone");
  if (link.file == File::flat_link) return path_from_root(link.place);
  // The kernel's targets lead through /sys/devices, which a guest's mount does not have.
  const bool subzone = link.place.is_zone() && !is_package(link.place);
  if (link.file == File::subsystem)
    return !link.place.is_zone() ? ".." : subzone ? "../../.." : "../..";
  if (link.file == File::device)
    return "../../" + directory_name(subzone ? package_of(link.place) : Place::control_type());
  return fail(EINVAL, "not a link");
}

Result<std::string> VmTree::content(Node file, bool stale) const {
  const auto found = attributes(file);
  if (!found) return fail(ENOENT, "no such zone");
  if (found->type == FileType::directory) return fail(EISDIR, "a directory");
  if (found->type == FileType::link) return fail(EINVAL, "a link");
  switch (file.file) {
    case File::name:
      if (is_package(file.place)) return "package-" + std::to_string(file.place.socket()) + "\n";
      return std::string(to_string(file.place.domain())) + "\n";
    case File::energy_uj: {
      if (stale) return fail(ENODATA, "the ledger is stale");
      const auto published = record_->zone(file.place.socket(), file.place.domain()).published_uj;
      return std::to_string(wrapped_value(published, record_->max_energy_range_uj)) + "\n";
    }
    case File::max_energy_range_uj: return std::to_string(record_->max_energy_range_uj) + "\n";
    default: return std::string(find_spec(file.file, kind_of(file))->content);
  }
}

int VmTree::write_refusal(Node file, std::string_view text) const {
  const auto found = attributes(file);
  if (!found) return ENOENT;
  if ((found->permissions & 0200) == 0) return EACCES;
  switch (file.file) {
    case File::enabled: return is_boolean(text) ? ENOSYS : EINVAL;
    case File::constraint_0_power_limit_uw:
    case File::constraint_0_time_window_us:
    case File::constraint_1_power_limit_uw:
    case File::constraint_1_time_window_us: return is_number(text) ? ENODATA : EINVAL;
    default: return EINVAL;
  }
}

}  // namespace vpowercap
