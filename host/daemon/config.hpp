// SPDX-License-Identifier: Apache-2.0
// The daemon's options as typed values.
#pragma once

#include <string>

#include "common/model/vm.hpp"
#include "common/options/options.hpp"
#include "common/share/share.hpp"
#include "host/rapl/make_source.hpp"
#include "host/sampler/sampler.hpp"

namespace vpowercap {

/// All that the daemon can be told.
struct DaemonConfig {
  RunPaths paths;
  std::string state_dir;  ///< empty: nothing learned is kept
  std::string group;
  std::string log_level;
  std::string libvirt_uri;
  std::string libvirt_pid_dir;
  Nanoseconds stale_after{0};
  EnergyOptions energy;
  SamplerOptions sampler;
  VmSettings vm_defaults;
};

/// The option table of vpowercapd.
const ProgramSpec& daemon_spec();

/// Throws UsageError naming the option or the file and key.
DaemonConfig read_config(const Options& options);

}  // namespace vpowercap
