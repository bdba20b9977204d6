// SPDX-License-Identifier: Apache-2.0
// What no look at a ledger may show, however its writer dies.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/ledger/reader.hpp"

namespace vpowercap::testing {

/// Looks at a ledger again and again. Not thread-safe.
class LedgerLaws {
 public:
  /// Notes the host's and all VMs' counters; complains about each that is less than at the last look,
  /// or than when a VM that is back was seen last, and when what VMs and remainders got is not the
  /// energy of a domain's zones.
  void look(const LedgerReader& ledger);

  /// Looks that went without the host's record: it could not be read.
  [[nodiscard]] std::uint64_t errors() const { return errors_; }
  [[nodiscard]] std::uint64_t looks() const { return looks_; }
  [[nodiscard]] std::uint64_t decreasing() const { return decreasing_; }

  /// Looks at which a domain's energy was not what was divided.
  [[nodiscard]] std::uint64_t unbalanced() const { return unbalanced_; }

  /// Energy of zone `index` as the ledger had it at the last look, µJ.
  [[nodiscard]] std::uint64_t energy_uj(std::size_t index) const {
    return host_.zones[index].energy_uj;
  }
  /// Of it, what all VMs ever seen got, and the host's remainder, µJ. The VMs must be shown the host's
  /// packages: a zone of theirs is then one of the host's.
  [[nodiscard]] std::uint64_t divided_uj(std::size_t index) const;
  [[nodiscard]] const HostRecord& host() const { return host_; }
  [[nodiscard]] std::size_t vms_seen() const { return vms_.size() + gone_vms_.size(); }
  /// VMs that had a slot and have none.
  [[nodiscard]] std::size_t vms_gone() const { return gone_vms_.size(); }
  /// VMs that had a slot again after they had none.
  [[nodiscard]] std::uint64_t vms_back() const { return vms_back_; }

 private:
  void see(const std::string& what, std::uint64_t value);
  void see_host();
  void see_vm(const VmRecord& vm);
  void let_go(const VmRecord& vm);
  void take_back(const Uuid& uuid);
  void weigh();

  HostRecord host_;
  std::map<Uuid, VmRecord> vms_;       ///< those that had a slot at the last look
  std::map<Uuid, VmRecord> gone_vms_;  ///< those that had one before, as last seen
  VmRecord gone_;                      ///< energy of all those
  std::uint64_t vms_back_ = 0;
  std::map<std::string, std::uint64_t> counters_;
  std::uint64_t looks_ = 0, errors_ = 0, decreasing_ = 0, unbalanced_ = 0;
};

}  // namespace vpowercap::testing
