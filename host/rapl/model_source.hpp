// SPDX-License-Identifier: Apache-2.0
// Energy from a model, for machines without RAPL.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/procs/cpus.hpp"
#include "common/units/wide.hpp"
#include "host/rapl/energy_source.hpp"

namespace vpowercap {

/// Power of the whole host in microwatts: with all CPUs idle and with all busy. It is divided evenly
/// over the packages.
struct ModelPower {
  std::uint64_t idle_uw = 20'000'000;
  std::uint64_t max_uw = 80'000'000;
};

/// Per package one zone `intel-rapl:P` named package-P, whose counter integrates
/// idle + (max - idle) * utilisation over the measured time; utilisation is the busy share of the
/// package's online CPUs. Each counter begins with what the model gives since boot, so that a source
/// made anew goes on where the one before it was. Wraps like the hardware's. Not thread-safe.
class ModelSource final : public EnergySource {
 public:
  /// Requires power.idle_uw <= power.max_uw. `clock` must outlive the source and count from boot.
  ModelSource(ModelPower power, const Clock& clock, std::string proc_root, std::string sysfs_root);

  [[nodiscard]] Method method() const override { return Method::model; }
  [[nodiscard]] std::vector<ZoneReading> sample() override;
  [[nodiscard]] std::vector<Error> take_problems() override;

  /// The range that most real kernels show.
  static constexpr std::uint64_t max_energy_range_uj = 262'143'328'850;

 private:
  using BusyNs = std::map<std::uint32_t, std::uint64_t>;
  struct Package {
    ModelPower power;                  // its part of the host's
    std::optional<Wide> energy_uw_ns;  // 1e9 of these are 1 µJ; absent before the first reading
  };

  void refresh_cpus();
  void count(const BusyNs& busy, Nanoseconds taken);
  /// Mean busy time in ns of the package's CPUs from `since` (an absent CPU: left out) to `busy`.
  [[nodiscard]] std::uint64_t mean_busy(std::uint32_t package, const BusyNs* since,
                                        const BusyNs& busy) const;
  void tell(bool& told, const Error& error);

  ModelPower power_;
  const Clock& clock_;
  std::string proc_root_;
  std::string sysfs_root_;
  CpuMap cpus_;
  std::optional<Nanoseconds> cpus_read_;
  std::map<std::uint32_t, Package> packages_;
  BusyNs last_busy_;
  Nanoseconds last_taken_{0};
  bool told_cpus_ = false;
  bool told_busy_ = false;
  std::vector<Error> problems_;
};

}  // namespace vpowercap
