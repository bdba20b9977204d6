// SPDX-License-Identifier: Apache-2.0
// Energy from the machine's own RAPL counters through powercap.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/powercap/tree.hpp"
#include "host/rapl/cpu_vendor.hpp"
#include "host/rapl/energy_source.hpp"
#include "host/rapl/mirror_filter.hpp"

namespace vpowercap {

/// Reads every zone of a powercap class directory through kept descriptors. Looks for new and gone
/// zones when a read fails for the first time and every `rescan_every`. A domain of a package that
/// several control types show is counted once, from `intel-rapl` where that has it. The dies of a
/// package stay zones of their own, but on AMD those that mirror one counter are counted once; AMD's
/// core is the host's only, because it is the counter of one core and not their sum. Not thread-safe.
class PowercapSource final : public EnergySource {
 public:
  /// `path` is the class directory, such as /sys/class/powercap; `clock` must outlive the source.
  PowercapSource(std::string path, const Clock& clock, CpuVendor vendor = CpuVendor::intel,
                 Nanoseconds rescan_every = std::chrono::seconds(10));

  [[nodiscard]] Method method() const override { return Method::rapl; }
  [[nodiscard]] std::vector<ZoneReading> sample() override;
  [[nodiscard]] std::vector<Error> take_problems() override;

 private:
  struct Known {
    ZoneInfo info;
    std::optional<PowercapZone> zone;  // absent: the last scan refused it
    std::uint64_t power_bound_uw = 0;
  };

  void rescan();
  void tell(const std::string& id, Error error);
  [[nodiscard]] ZoneReading read(const Known& known);
  [[nodiscard]] std::vector<ZoneReading> read_all();
  [[nodiscard]] bool exists(const std::string& id) const;

  std::string path_;
  const Clock& clock_;
  CpuVendor vendor_;
  Nanoseconds rescan_every_;
  std::optional<Nanoseconds> scanned_;
  std::vector<Known> known_;
  std::set<std::string> told_;  // ids of zones whose present outage was told; "" is the directory
  std::vector<Error> problems_;
  MirrorFilter mirrors_;
};

}  // namespace vpowercap
