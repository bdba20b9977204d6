// SPDX-License-Identifier: Apache-2.0
// What `vpowercap doctor` looks at, from the energy source to each VM's virtiofsd.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/share/mount_table.hpp"
#include "common/share/share.hpp"
#include "host/ctl/view.hpp"

namespace vpowercap {

/// One thing that is well, or is not and says what to do.
struct Diagnosis {
  bool is_well = false;
  std::string subject;  ///< "daemon", "mount", "kernel", "hook" or a VM's name
  std::string sentence;
};

/// What is known of the host. Nothing of it asks the FUSE mount, which may hang.
struct HostFacts {
  RunPaths paths;
  Result<LedgerView> ledger = fail(ENOENT, "not looked at");
  MountTable mounts;
  std::vector<std::vector<std::string>> virtiofsd;  ///< arguments of every virtiofsd that runs
  std::optional<std::int64_t> hook_installed;       ///< seconds since the epoch; nullopt: it is not
  std::optional<std::int64_t> libvirtd_started;     ///< the latest; nullopt: none runs
  std::string request_timeouts;                     ///< request_timeout_trouble()
};

struct DoctorPlaces {
  RunPaths paths;
  std::string proc_root = "/proc";
  std::string hook = "/etc/libvirt/hooks/qemu.d/50-vpowercap";
};

HostFacts gather_facts(const DoctorPlaces& places);

/// Judges. Pure.
std::vector<Diagnosis> diagnose(const HostFacts& facts);

/// "ok" or "problem", subject, sentence: a line each.
std::string doctor_text(const std::vector<Diagnosis>& found);
std::string doctor_json(const std::vector<Diagnosis>& found);

}  // namespace vpowercap
