// SPDX-License-Identifier: Apache-2.0
#include "host/daemon/fixed_changes.hpp"

namespace vpowercap {

std::string fixed_changes(const DaemonConfig& running, const DaemonConfig& fresh) {
  std::string names;
  const auto compare = [&names](const char* name, const auto& before, const auto& after) {
    if (before == after) return;
    if (!names.empty()) names += ", ";
    names += name;
  };
  compare("run-dir", running.paths.run_dir, fresh.paths.run_dir);
  compare("group", running.group, fresh.group);
  compare("state-dir", running.state_dir, fresh.state_dir);
  compare("tick", running.sampler.tick, fresh.sampler.tick);
  compare("stale-after", running.stale_after, fresh.stale_after);
  compare("source", running.energy.source, fresh.energy.source);
  compare("sysfs-root", running.sampler.sysfs_root, fresh.sampler.sysfs_root);
  compare("proc-root", running.sampler.proc_root, fresh.sampler.proc_root);
  compare("model-idle-watts", running.energy.model.idle_uw, fresh.energy.model.idle_uw);
  compare("model-max-watts", running.energy.model.max_uw, fresh.energy.model.max_uw);
  compare("libvirt-pid-dir", running.libvirt_pid_dir, fresh.libvirt_pid_dir);
  return names;
}

}  // namespace vpowercap
