// SPDX-License-Identifier: Apache-2.0
// What `vpowercap-guest check` looks at.
#include "guest/mount/check.hpp"

#include <algorithm>

#include "common/base/utf8.hpp"
#include "common/powercap/tree.hpp"
#include "guest/mount/mount_table.hpp"
#include "guest/mount/movement.hpp"

namespace vpowercap {
namespace {

/// True when the share is mounted as it should be.
bool check_mount(const GuestShare& share, const Report& report) {
  const auto problem = [&](const std::string& sentence) {
    report({false, "mount", sentence});
    return false;
  };
  const auto mounted = current_mount(share.target);
  if (!mounted && mounted.error().code == ENOENT)
    return problem(share.target +
                   " does not exist: /sys is not mounted, or this kernel was built without "
                   "CONFIG_POWERCAP; vpowercap-guest mount makes it");
  if (!mounted) return problem(mounted.error().message);
  if (!*mounted)
    return problem("nothing is mounted on " + share.target + ": run vpowercap-guest mount");
  const auto& found = **mounted;
  const std::string what = share.target + " has a " + printable(found.type) + " of \"" +
                           printable(found.source) + "\" mounted";
  if (found.type != "virtiofs")
    return problem(what + ", not a virtiofs: unmount it, then vpowercap-guest mount");
  if (found.source != share.tag)
    return problem(what + ", not the tag \"" + printable(share.tag) +
                   "\": name the right one with --tag");
  report({true, "mount", what + (found.read_only ? ", read-only" : "")});
  return true;
}

std::string advice(const Error& error) {
  switch (error.code) {
    case EACCES:
    case EPERM: return error.message + ": run this as root";
    case ENODATA:
      return error.message +
             ": vpowercapd on the host has been silent too long; its operator must look";
    case ENOTCONN:
    case ENODEV:
    case ESTALE:
    case EIO:
      return error.message +
             ": the host has lost its share; it heals when vpowercap-fs is started again";
    default: return error.message;
  }
}

bool check_zones(const CheckOptions& options, const PowercapScan& scan, const Report& report) {
  if (scan.zones.empty() && scan.problems.empty())
    report({false, "zones",
            "no zones in " + options.share.target +
                ": the host serves an empty tree; vpowercapd there does not run or does not know this "
                "VM"});
  if (!scan.zones.empty()) {
    std::string names;
    for (const auto& zone : scan.zones)
      names += (names.empty() ? "" : ", ") + zone.info().id + " (" + zone.info().name + ")";
    report({true, "zones",
            std::to_string(scan.zones.size()) + (scan.zones.size() == 1 ? " zone: " : " zones: ") +
                names});
    report({true, "range", "every zone shown has its max_energy_range_uj"});
  }
  for (const auto& problem : scan.problems) report({false, "zones", advice(problem)});
  return !scan.zones.empty();
}

bool check_energy(const PowercapScan& scan, const Report& report) {
  bool good = true;
  for (const auto& zone : scan.zones) {
    const auto energy = zone.read_energy();
    if (!energy) report({false, "energy", advice(energy.error())});
    else if (*energy == 0)
      report({false, "energy",
              zone.info().id + "/energy_uj is 0: many readers take that for a dead counter"});
    good = good && energy && *energy > 0;
  }
  if (good) report({true, "energy", "energy_uj of every zone can be read and is above 0"});
  return good;
}

std::string seconds_text(Nanoseconds time) {
  const auto tenths = time.count() / 100'000'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

void check_movement(const CheckOptions& options, const PowercapScan& scan, const Report& report) {
  const auto watched = watch_packages(options.share.target, scan, options.wait);
  bool moved = !watched.empty();
  int stale = 0;
  for (const auto& zone : watched) {
    moved = moved && zone.moves > 0;
    stale += zone.held_is_stale() ? 1 : 0;
    if (zone.error) report({false, "moves", advice(*zone.error)});
    else if (zone.moves == 0 && is_cached(options.share.target + "/" + zone.id + "/energy_uj"))
      report({false, "moves",
              zone.id + "/energy_uj shows an old value: the host's virtiofsd caches; it needs <cache "
                        "mode='none'/> (vpowercap wire sets it)"});
    else if (zone.moves == 0)
      report({false, "moves",
              zone.id + "/energy_uj stood still for " + seconds_text(options.wait) +
                  ": vpowercapd on the host does not count, or its grid is longer (--wait)"});
  }
  if (watched.empty()) report({false, "moves", "no package zone to watch"});
  if (moved) report({true, "moves", "energy_uj of every package moves"});
  if (stale > 0)
    report({false, "descriptor",
            "a file that is kept open shows old values: the host's virtiofsd caches; it needs <cache "
            "mode='none'/> (vpowercap wire sets it)"});
  else if (moved) report({true, "descriptor", "a file that is kept open shows fresh values"});
}

}  // namespace

void check_share(const CheckOptions& options, const Report& report) {
  const bool mounted = options.any_filesystem || check_mount(options.share, report);
  const auto scan = scan_powercap(options.share.target);
  if (!mounted && scan.zones.empty()) return;  // all else follows from that
  if (!check_zones(options, scan, report)) return;
  if (check_energy(scan, report)) check_movement(options, scan, report);
}

}  // namespace vpowercap
