// SPDX-License-Identifier: Apache-2.0
// Watching counters.
#include "guest/mount/movement.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <thread>

#include "common/base/file.hpp"

namespace vpowercap {
namespace {

constexpr Nanoseconds pause = std::chrono::milliseconds(100);

Result<Look> look_at(const std::string& path, const PowercapZone& zone) {
  // The kept descriptor first: with virtiofsd's cache=auto a fresh open refreshes its pages too.
  const auto held = zone.read_energy();
  if (!held) return tl::unexpected(held.error());
  const std::string file = path + "/" + zone.info().id + "/energy_uj";
  const auto text = read_file_at(AT_FDCWD, file, 64);
  if (!text) return tl::unexpected(text.error());
  const auto fresh = parse_u64(*text);
  if (!fresh) return fail(fresh.error().code, file + " " + fresh.error().message);
  return Look{*held, *fresh};
}

}  // namespace

bool is_cached(const std::string& file) {
  alignas(4096) std::array<char, 4096> buffer;  // what O_DIRECT wants at most
  const auto direct = open_at(AT_FDCWD, file, O_RDONLY | O_DIRECT);
  if (!direct) return false;
  const auto cached = read_file_at(AT_FDCWD, file, 64);
  const ssize_t got = ::pread(direct->get(), buffer.data(), buffer.size(), 0);
  return cached && got > 0 && std::string_view(buffer.data(), static_cast<std::size_t>(got)) != *cached;
}

void Movement::add(Look look) {
  if (previous_ && look.fresh != previous_->fresh) {
    ++moves;
    const bool old_value = look.held == previous_->fresh || look.held == previous_->held;
    if (old_value && look.held != look.fresh) ++lagged;
  }
  previous_ = look;
}

std::vector<Movement> watch_packages(const std::string& path, const PowercapScan& scan,
                                     Nanoseconds wait) {
  std::vector<const PowercapZone*> zones;
  std::vector<Movement> watched;
  for (const auto& zone : scan.zones) {
    if (zone.info().domain != EnergyDomain::package) continue;
    zones.push_back(&zone);
    watched.emplace_back().id = zone.info().id;
  }
  const SystemClock clock;
  const auto end = clock.now() + wait;
  for (;;) {
    for (std::size_t i = 0; i < zones.size(); ++i) {
      if (watched[i].error || watched[i].settled()) continue;
      if (auto look = look_at(path, *zones[i])) watched[i].add(*look);
      else watched[i].error = std::move(look.error());
    }
    const bool done = std::all_of(watched.begin(), watched.end(),
                                  [](const Movement& zone) { return zone.error || zone.settled(); });
    if (done || clock.now() >= end) return watched;
    std::this_thread::sleep_for(std::min(pause, end - clock.now()));
  }
}

}  // namespace vpowercap
