// SPDX-License-Identifier: Apache-2.0
// Reading zones and healing from their loss.
#include "guest/agent/zone_reader.hpp"

#include <algorithm>
#include <utility>

namespace vpowercap {
namespace {

constexpr Nanoseconds rescan_period = std::chrono::seconds(10);

/// Whether opening the path again may help. A host that is silent (ENODATA) or a malformed value is
/// not mended by that.
bool is_dead(int code) {
  return code != ENODATA && code != EINVAL && code != ERANGE && code != EPROTO && code != EFBIG;
}

}  // namespace

ZoneReader::ZoneReader(std::string path, Scan scan)
    : path_(std::move(path)), scan_function_(std::move(scan)) {}

void ZoneReader::rescan(Nanoseconds now) {
  scan_ = scan_function_(path_);
  scanned_at_ = now;
}

ZoneReader::Pass ZoneReader::read_raw() const {
  Pass pass;
  for (const auto& zone : scan_.zones) {
    if (auto value = zone.read_energy()) {
      pass.raw.emplace(zone.info().id, *value);
    } else {
      pass.dead_descriptor = pass.dead_descriptor || is_dead(value.error().code);
      pass.failures.push_back(std::move(value.error()));
    }
  }
  return pass;
}

void ZoneReader::count_missing(const Pass& pass) {
  for (const auto& zone : scan_.zones) read_errors_.try_emplace(zone.info().id, 0);
  for (auto& [id, errors] : read_errors_)
    if (!pass.raw.contains(id)) ++errors;
  scan_needed_ = std::any_of(read_errors_.begin(), read_errors_.end(), [&](const auto& known) {
    return std::none_of(scan_.zones.begin(), scan_.zones.end(),
                        [&](const auto& zone) { return zone.info().id == known.first; });
  });
}

ZoneReadings ZoneReader::read(Nanoseconds now) {
  const bool fresh = scan_needed_ || scan_.zones.empty() || now - scanned_at_ >= rescan_period;
  if (fresh) rescan(now);
  Pass pass = read_raw();
  if (pass.dead_descriptor && !fresh) {
    rescan(now);
    pass = read_raw();
  }
  count_missing(pass);
  scan_needed_ = scan_needed_ || pass.dead_descriptor;

  ZoneReadings readings;
  readings.problems.assign(scan_.problems.begin(), scan_.problems.end());
  for (auto& failure : pass.failures) readings.problems.push_back(std::move(failure));
  for (const auto& zone : scan_.zones) {
    const auto& info = zone.info();
    const auto raw = pass.raw.find(info.id);
    if (raw == pass.raw.end()) continue;
    const auto step = totals_[info.id].add({raw->second}, info.max_energy_range_uj, now);
    auto& gaps = gaps_[info.id];
    if (step.gap) {
      ++gaps;
      readings.problems.push_back({ERANGE, path_ + "/" + info.id +
                                               "/energy_uj jumped further than any machine can draw; "
                                               "the jump is not counted"});
    }
    readings.zones.push_back({info, step.total, step.power_uw});
  }
  readings.read_errors = read_errors_;
  readings.gaps = gaps_;
  return readings;
}

std::string explain_no_zones(const std::string& path, const std::vector<Error>& problems) {
  const auto has = [&](int code) {
    return std::any_of(problems.begin(), problems.end(),
                       [&](const Error& e) { return e.code == code; });
  };
  if (has(EACCES) || has(EPERM))
    return "energy_uj below " + path + " may be read by root only: run this as root";
  const std::string remedy =
      ": in a virtual machine mount the host's share (vpowercap-guest mount), on a host or on bare "
      "metal load the driver (modprobe intel_rapl_msr)";
  if (has(ENOENT) && problems.size() == 1) return "there is no " + path + remedy;
  if (!problems.empty()) return "no usable zone in " + path + ": " + problems.front().message;
  return "there are no power zones in " + path + remedy;
}

}  // namespace vpowercap
