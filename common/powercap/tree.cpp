// SPDX-License-Identifier: Apache-2.0
// Scanning of a powercap class directory and reading of its zones.
#include "common/powercap/tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <compare>
#include <memory>
#include <optional>
#include <string_view>

#include "common/base/file.hpp"
#include "common/base/utf8.hpp"

namespace vpowercap {
namespace {

/// `<type>:<i>` or `<type>:<i>:<j>`, ordered as the kernel numbers them, parents first.
struct ZoneId {
  std::string control_type;
  std::uint32_t zone = 0;
  std::optional<std::uint32_t> sub_zone;
  std::string text;

  [[nodiscard]] std::string parent() const { return text.substr(0, text.rfind(':')); }
  friend auto operator<=>(const ZoneId&, const ZoneId&) = default;
};

/// Takes ":" and a hexadecimal number (kernel: dev_set_name with "%x") off the front of `text`.
std::optional<std::uint32_t> take_id(std::string_view& text) {
  if (!text.starts_with(':')) return std::nullopt;
  std::uint32_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data() + 1, last, value, 16);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// What the names of control types and zones are made of. Anything else is not the kernel's.
constexpr std::string_view id_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";

std::optional<ZoneId> parse_zone_id(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  if (text.find_first_not_of(id_characters) != std::string_view::npos) return std::nullopt;
  ZoneId id{std::string(text.substr(0, colon)), 0, {}, std::string(text)};
  text.remove_prefix(colon);
  const auto zone = take_id(text);
  if (!zone) return std::nullopt;
  id.zone = *zone;
  if (!text.empty()) {
    id.sub_zone = take_id(text);
    if (!id.sub_zone || !text.empty()) return std::nullopt;
  }
  return id;
}

tl::unexpected<Error> fail_at(const std::string& path, const Error& error, std::string_view between) {
  return fail(error.code, path + std::string(between) + error.message);
}

/// One line of an attribute. What lacks its newline is torn or not the kernel's.
Result<std::string_view> read_line(int fd, const std::string& path, std::span<char> buffer) {
  const auto content = pread_line(fd, buffer);
  if (!content) return fail_at(path, content.error(), ": ");
  if (content->empty()) return fail(EINVAL, path + " is empty");
  if (!content->ends_with('\n'))
    return fail(EINVAL, path + " holds \"" + printable(*content) + "\" without a newline");
  return without_newline(*content);
}

Result<std::uint64_t> read_number(int fd, const std::string& path) {
  std::array<char, 64> buffer;
  const auto line = read_line(fd, path, buffer);
  if (!line) return tl::unexpected(line.error());
  // A second newline must not pass as the one that parse_u64 allows.
  if (line->ends_with('\n')) return fail(EINVAL, path + " holds more than one line");
  const auto value = parse_u64(*line);
  if (!value) return fail_at(path, value.error(), " ");
  return *value;
}

/// O_NONBLOCK: opening a FIFO put there by mistake must not block.
Result<UniqueFd> open_attribute(const std::string& path) {
  return open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK);
}

Result<ZoneName> read_name(const std::string& directory, std::string& text) {
  const std::string path = directory + "/name";
  const auto fd = open_attribute(path);
  if (!fd) return tl::unexpected(fd.error());
  std::array<char, 256> buffer;
  const auto line = read_line(fd->get(), path, buffer);
  if (!line) return tl::unexpected(line.error());
  const auto name = parse_zone_name(*line);
  if (!name)
    return fail(EINVAL, path + " holds \"" + printable(*line) + "\", the name of no RAPL zone");
  text = *line;
  return *name;
}

Result<std::uint64_t> read_range(const std::string& path) {
  const auto fd = open_attribute(path);
  if (!fd) return tl::unexpected(fd.error());
  const auto range = read_number(fd->get(), path);
  if (range && *range == 0) return fail(ERANGE, path + " holds 0, a counter that cannot count");
  return range;
}

/// 0 when the kernel does not say.
std::uint64_t max_power(const std::string& directory) {
  const std::string path = directory + "/constraint_0_max_power_uw";
  const auto fd = open_attribute(path);
  return fd ? read_number(fd->get(), path).value_or(0) : 0;
}

/// The zone's own name, for a sub-zone its parent's: what holds package and die.
Result<ZoneName> package_of(const std::string& root, const ZoneId& id, const ZoneName& name) {
  const std::string directory = root + "/" + id.text;
  const bool is_top = name.domain == EnergyDomain::package || name.domain == EnergyDomain::psys;
  if (!id.sub_zone) {
    if (is_top) return name;
    return fail(EINVAL, directory + "/name names a part of a package, but it is in none");
  }
  if (name.domain == EnergyDomain::package)
    return fail(EINVAL, directory + "/name names a package, but it is a part of another zone");
  std::string ignored;
  auto parent = read_name(root + "/" + id.parent(), ignored);
  if (!parent) return fail_at(directory, parent.error(), ": its package is unknown: ");
  return parent;
}

Result<PowercapZone> open_zone(const std::string& root, const ZoneId& id) {
  const std::string directory = root + "/" + id.text;
  ZoneInfo info{.id = id.text, .control_type = id.control_type};
  const auto name = read_name(directory, info.name);
  if (!name) return tl::unexpected(name.error());
  info.domain = name->domain;
  const auto package = package_of(root, id, *name);
  if (!package) return tl::unexpected(package.error());
  info.package = package->package;
  info.die = package->die;
  const auto range = read_range(directory + "/max_energy_range_uj");
  if (!range) return tl::unexpected(range.error());
  info.max_energy_range_uj = *range;
  info.max_power_uw = max_power(directory);

  const std::string energy_path = directory + "/energy_uj";
  auto energy = open_attribute(energy_path);
  if (!energy && energy.error().code == EACCES)
    return fail(EACCES, energy.error().message + "; only root may read it unless its mode was changed");
  if (!energy) return tl::unexpected(energy.error());
  PowercapZone zone(std::move(info), energy_path, std::move(*energy));
  if (const auto value = zone.read_energy(); !value) return tl::unexpected(value.error());
  return zone;
}

/// Ids of the entries of `path` that are zones, sorted. A dangling link is among them: a zone that
/// just went. A directory that cannot be listed to its end is one of `problems`.
std::vector<ZoneId> list_zones(const std::string& path, std::vector<ZoneProblem>& problems) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  std::vector<ZoneId> ids;
  if (!directory) {
    problems.push_back({fail_errno(errno, "cannot list " + path).value(), ""});
    return ids;
  }
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    auto id = parse_zone_id(entry->d_name);
    if (!id) continue;
    struct stat status{};
    if (::fstatat(::dirfd(directory.get()), entry->d_name, &status, 0) == 0 && !S_ISDIR(status.st_mode))
      continue;
    ids.push_back(std::move(*id));
  }
  if (errno != 0) problems.push_back({fail_errno(errno, "cannot list all of " + path).value(), ""});
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

Result<std::uint64_t> PowercapZone::read_energy() const {
  const auto value = read_number(energy_.get(), energy_path_);
  if (value && *value > info_.max_energy_range_uj)
    return fail(ERANGE, energy_path_ + " holds " + std::to_string(*value) +
                            ", above its max_energy_range_uj of " +
                            std::to_string(info_.max_energy_range_uj));
  return value;
}

PowercapScan scan_powercap(const std::string& path) {
  PowercapScan scan;
  for (const ZoneId& id : list_zones(path, scan.problems)) {
    auto zone = open_zone(path, id);
    if (zone) scan.zones.push_back(std::move(*zone));
    else scan.problems.push_back({zone.error(), id.text});
  }
  return scan;
}

}  // namespace vpowercap
