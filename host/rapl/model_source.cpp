// SPDX-License-Identifier: Apache-2.0
// Integration of the power model.
#include "host/rapl/model_source.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "common/units/apportion.hpp"

namespace vpowercap {
namespace {

constexpr std::uint64_t uw_ns_per_uj = 1'000'000'000;
constexpr std::uint64_t lowest_bound_uw = 1'000'000;
constexpr auto cpus_every = std::chrono::seconds(10);

/// The kernel numbers zones in hexadecimal.
std::string zone_id(std::uint32_t package) {
  std::array<char, 8> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), package, 16).ptr;
  return "intel-rapl:" + std::string(digits.data(), end);
}

/// Energy of `time_ns`, of which `busy_ns` were busy, in µW·ns.
Wide modelled(const ModelPower& power, std::uint64_t time_ns, std::uint64_t busy_ns) {
  return Wide(power.idle_uw) * time_ns +
         Wide(power.max_uw - power.idle_uw) * std::min(busy_ns, time_ns);
}

}  // namespace

ModelSource::ModelSource(ModelPower power, const Clock& clock, std::string proc_root,
                         std::string sysfs_root)
    : power_(power),
      clock_(clock),
      proc_root_(std::move(proc_root)),
      sysfs_root_(std::move(sysfs_root)) {}

void ModelSource::tell(bool& told, const Error& error) {
  if (!std::exchange(told, true)) problems_.push_back(error);
}

void ModelSource::refresh_cpus() {
  if (cpus_read_ && clock_.now() - *cpus_read_ < cpus_every) return;
  auto cpus = read_cpu_map(sysfs_root_);
  if (!cpus) return tell(told_cpus_, cpus.error());
  told_cpus_ = false;
  cpus_read_ = clock_.now();
  cpus_ = std::move(*cpus);

  std::map<std::uint32_t, Package> packages;
  for (const auto& [cpu, package] : cpus_.package_of) packages[package];
  const std::vector<std::uint64_t> evenly(packages.size(), 1);
  const auto idle = apportion(power_.idle_uw, evenly);
  const auto dynamic = apportion(power_.max_uw - power_.idle_uw, evenly);
  std::size_t at = 0;
  for (auto& [number, package] : packages) {
    package.power = {idle[at], idle[at] + dynamic[at]};
    if (const auto known = packages_.find(number); known != packages_.end())
      package.energy_uw_ns = known->second.energy_uw_ns;
    ++at;
  }
  packages_ = std::move(packages);
}

std::uint64_t ModelSource::mean_busy(std::uint32_t package, const BusyNs* since,
                                     const BusyNs& busy) const {
  Wide sum = 0;
  std::uint64_t cpus = 0;
  for (const auto& [cpu, now_ns] : busy) {
    const auto of = cpus_.package_of.find(cpu);
    if (of == cpus_.package_of.end() || of->second != package) continue;
    std::uint64_t then_ns = 0;
    if (since != nullptr) {
      const auto then = since->find(cpu);
      if (then == since->end()) continue;
      then_ns = then->second;
    }
    sum += now_ns > then_ns ? now_ns - then_ns : 0;
    ++cpus;
  }
  return cpus == 0 ? 0 : static_cast<std::uint64_t>(sum / cpus);
}

void ModelSource::count(const BusyNs& busy, Nanoseconds taken) {
  const auto up_ns = static_cast<std::uint64_t>(std::max<Nanoseconds::rep>(taken.count(), 0));
  const auto step_ns =
      static_cast<std::uint64_t>(std::max<Nanoseconds::rep>((taken - last_taken_).count(), 0));
  for (auto& [number, package] : packages_) {
    if (package.energy_uw_ns)
      *package.energy_uw_ns += modelled(package.power, step_ns, mean_busy(number, &last_busy_, busy));
    else  // never 0: readers take a counter of 0 for a dead one
      package.energy_uw_ns =
          modelled(package.power, up_ns, mean_busy(number, nullptr, busy)) + uw_ns_per_uj;
  }
  last_busy_ = busy;
  last_taken_ = taken;
}

std::vector<ZoneReading> ModelSource::sample() {
  refresh_cpus();
  const Nanoseconds before = clock_.now();
  const auto busy = read_cpu_busy_ns(proc_root_);
  const Nanoseconds taken = before + (clock_.now() - before) / 2;
  if (busy) {
    told_busy_ = false;
    count(*busy, taken);
  } else {
    tell(told_busy_, busy.error());
  }
  std::vector<ZoneReading> readings;
  for (const auto& [number, package] : packages_) {
    ZoneReading reading{zone_id(number),
                        "package-" + std::to_string(number),
                        EnergyDomain::package,
                        number,
                        max_energy_range_uj,
                        {},
                        taken};
    reading.power_bound_uw = std::max(2 * package.power.max_uw, lowest_bound_uw);
    if (busy)
      reading.raw_uj =
          static_cast<std::uint64_t>(*package.energy_uw_ns / uw_ns_per_uj % max_energy_range_uj);
    readings.push_back(std::move(reading));
  }
  return readings;
}

std::vector<Error> ModelSource::take_problems() { return std::exchange(problems_, {}); }

}  // namespace vpowercap
