// SPDX-License-Identifier: Apache-2.0
// A counter that follows its VM's own work at once and everything else slowly.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "common/base/clock.hpp"
#include "common/model/energy_domain.hpp"

namespace vpowercap {

/// What a second of CPU time costs a VM depends on what its neighbours do, so that a counter which is
/// right in each second shows them. This one charges work at the price, and time at the idle power, of
/// the past minutes; what it charged too little or too much it makes up for as slowly. All three
/// change in steps only, `steps` of them in each time constant, so that who watches closely learns
/// nothing in between. Over times much longer than the constant it is exact. Not thread-safe.
class Pace {
 public:
  struct Energy {
    std::uint64_t dynamic_uj = 0;  ///< both cumulative; one that goes back begins anew
    std::uint64_t idle_uj = 0;
  };
  struct Past {
    std::uint64_t work_ns = 0;  ///< of the VM in the tick
    Nanoseconds length{0};      ///< of the tick
  };

  /// One tick. `owed_uj` is what the counter owes, this tick's energy included. Returns what it shall
  /// take up now, in µJ, at least 0.
  std::int64_t step(Energy total, std::int64_t owed_uj, Past tick, Nanoseconds constant);

  static constexpr int steps = 5;

 private:
  /// What is charged until the next step.
  struct Rates {
    double per_work_ns = 0;
    double per_time_ns = 0;
  };
  [[nodiscard]] Rates rates_now(double owed_uj, Nanoseconds constant) const;

  std::optional<Energy> last_;
  std::optional<Rates> rates_;
  Nanoseconds age_{0};  ///< of the rates
  // Sums over the past that fade with the constant.
  double dynamic_uj_ = 0;
  double idle_uj_ = 0;
  double work_ns_ = 0;
  double time_ns_ = 0;
};

/// By virtual socket and domain of one VM.
using VmPaces = std::map<std::pair<std::uint32_t, EnergyDomain>, Pace>;

}  // namespace vpowercap
