// SPDX-License-Identifier: Apache-2.0
// The judgement of the facts.
#include "host/ctl/doctor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/utf8.hpp"

namespace vpowercap {
namespace {

constexpr std::string_view fuse_type = "fuse.vpowercap";

using Arguments = std::vector<std::string>;

/// The value of `-o source=DIR` (QEMU's virtiofsd) or `--shared-dir DIR` (the one in Rust).
bool serves(const Arguments& arguments, const std::string& directory) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& word = arguments[i];
    if (word == "--shared-dir=" + directory) return true;
    if (word == "--shared-dir" && i + 1 < arguments.size() && arguments[i + 1] == directory)
      return true;
    if (("," + word + ",").find(",source=" + directory + ",") != std::string::npos) return true;
  }
  return false;
}

/// QEMU's says cache=none, the one in Rust never; the default of both is auto.
bool never_caches(const Arguments& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& word = arguments[i];
    if (("," + word + ",").find(",cache=none,") != std::string::npos) return true;
    if (word == "--cache=never") return true;
    if (word == "--cache" && i + 1 < arguments.size() && arguments[i + 1] == "never") return true;
  }
  return false;
}

Diagnosis judge_ledger(const LedgerView& view) {
  if (view.is_stale)
    return {false, "daemon",
            fmt::format("vpowercapd has been silent for {:.0f} s: guests' reads fail; systemctl status "
                        "vpowercapd",
                        static_cast<double>(view.age.count()) / 1e9)};
  if (view.host.zone_count == 0)
    return {false, "daemon",
            "vpowercapd runs and finds no zones: see vpowercap show --host and its log"};
  return {true, "daemon",
          fmt::format("vpowercapd counts {} zones, method {}", view.host.zone_count,
                      to_string(view.host.method))};
}

bool is_fuse(const MountEntry* mount) { return mount != nullptr && mount->type == fuse_type; }

Diagnosis judge_mounts(const HostFacts& facts) {
  const auto* const served = find_mount(facts.mounts, facts.paths.fs());
  if (!is_fuse(served))
    return {
        false, "mount",
        facts.paths.fs() + " is not mounted: guests see no zones; systemctl status vpowercap-mount"};
  const auto* const view = find_mount(facts.mounts, facts.paths.share());
  if (view == nullptr)
    return {false, "mount",
            facts.paths.share() +
                " is not mounted: no VM's share can be made; systemctl restart "
                "vpowercap-mount"};
  if (!view->read_only())
    return {false, "mount", facts.paths.share() + " can be written: restart vpowercap-mount"};
  return {true, "mount", facts.paths.fs() + " is mounted and " + facts.paths.share() + " is read-only"};
}

Diagnosis judge_hook(const HostFacts& facts) {
  if (!facts.hook_installed)
    return {false, "hook",
            "libvirt's hook is not installed: a VM that starts while vpowercapd is down may find no "
            "share; copy 50-vpowercap to /etc/libvirt/hooks/qemu.d and reload libvirtd"};
  constexpr int rounding_s = 2;  // btime and start times are in seconds and jiffies
  if (facts.libvirtd_started && *facts.libvirtd_started + rounding_s < *facts.hook_installed)
    return {false, "hook",
            "libvirt's hook is newer than libvirtd, which looks for hooks when it starts: reload it"};
  return {true, "hook", "libvirt's hook is installed"};
}

Diagnosis judge_vm(const HostFacts& facts, const VmRecord& vm) {
  const std::string name = printable(vm.name.view());
  const auto* const bound =
      find_mount(facts.mounts, facts.paths.share_rw() + "/" + vm.uuid.to_string() + "/intel-rapl");
  const auto* const served = find_mount(facts.mounts, facts.paths.fs());
  const auto directory = facts.paths.source(vm.uuid);
  bool is_served = false;
  for (const auto& arguments : facts.virtiofsd) {
    if (!serves(arguments, directory)) continue;
    is_served = true;
    if (!never_caches(arguments))
      return {false, name,
              "its virtiofsd caches: agents that keep a file open read old values; it needs <cache "
              "mode='none'/>, then a cold boot"};
  }
  if (!is_served)
    return {
        false, name,
        "no virtiofsd serves its share: it is not wired (vpowercap wire), or the virtiofsd has died "
        "and its reads hang until the VM's next boot"};
  if (is_fuse(served) && (!is_fuse(bound) || bound->device != served->device))
    return {false, name, "its tree is not bound to its share: systemctl restart vpowercap-mount"};
  if (vm.is_off != 0) return {true, name, "is served, and sees no zones by its settings (off)"};
  return {true, name, "is served, uncached"};
}

}  // namespace

std::vector<Diagnosis> diagnose(const HostFacts& facts) {
  std::vector<Diagnosis> found;
  if (facts.ledger) found.push_back(judge_ledger(*facts.ledger));
  else found.push_back({false, "daemon", facts.ledger.error().message + ": does vpowercapd run?"});
  found.push_back(judge_mounts(facts));
  if (!facts.request_timeouts.empty()) found.push_back({false, "kernel", facts.request_timeouts});
  found.push_back(judge_hook(facts));
  if (!facts.ledger) return found;
  for (const auto& vm : facts.ledger->vms)
    if (vm.state == VmState::running) found.push_back(judge_vm(facts, vm));
  return found;
}

std::string doctor_text(const std::vector<Diagnosis>& found) {
  std::string text;
  for (const auto& one : found)
    text += fmt::format("{:<9}{}: {}\n", one.is_well ? "ok" : "problem", one.subject, one.sentence);
  return text;
}

std::string doctor_json(const std::vector<Diagnosis>& found) {
  auto json = nlohmann::ordered_json::array();
  for (const auto& one : found)
    json.push_back({{"ok", one.is_well}, {"subject", one.subject}, {"sentence", one.sentence}});
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace vpowercap
