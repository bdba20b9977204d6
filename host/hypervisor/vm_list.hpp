// SPDX-License-Identifier: Apache-2.0
// From libvirt's domains to the list of VMs, with memory: one unlucky read makes no VM vanish.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/result.hpp"
#include "common/model/vm.hpp"

namespace vpowercap {

/// Builds one list of VMs after the other out of what libvirt says. Not thread-safe.
class VmList {
 public:
  struct Places {
    std::string pid_dir;    ///< where libvirt writes NAME.pid
    std::string proc_root;  ///< "/proc"
  };
  /// How long a domain may be without its QEMU process before that is a problem.
  static constexpr Nanoseconds start_grace = std::chrono::seconds(10);
  /// A VM's owner who thinks of ever new oddities fills no log: at most so many are told per period.
  static constexpr int most_tellings = 4;
  static constexpr Nanoseconds telling_period = std::chrono::minutes(1);

  VmList(Places places, VmSettings defaults) : places_(std::move(places)), defaults_(defaults) {}

  /// Begins a new list at time `now`.
  void begin(Nanoseconds now);
  /// Adds the active domain `uuid`, whose XML is `xml` or could not be read. A domain that is gone
  /// (ENOENT) or whose process has ended is left out; one whose process is not there yet is listed
  /// as `starting` with PID 0; after any other failure it stays as it was in the list before.
  void add(const Uuid& uuid, const Result<std::string>& xml);
  /// The list.
  [[nodiscard]] std::vector<VmDescription> finish() const;
  /// Oddities of single VMs since the last call (key: the UUID); each once for as long as it lasts.
  [[nodiscard]] std::vector<Error> take_problems();

 private:
  struct Tellings {
    Nanoseconds since{0};
    int count = 0;
  };
  struct Known {
    VmDescription vm;
    Nanoseconds without_process_since{0};
    std::set<std::string> oddities;  ///< told of
    Tellings tellings;
  };
  /// What a look at one domain found: the VM, unless it has to be left out.
  struct Look;
  void look_for_process(const Known* before, Look& look) const;
  void tell(const Uuid& uuid, const Known* before, Look& look);

  Places places_;
  VmSettings defaults_;
  Nanoseconds now_{0};
  std::map<Uuid, Known> before_;
  std::map<Uuid, Known> list_;
  std::vector<Error> problems_;
};

}  // namespace vpowercap
