// SPDX-License-Identifier: Apache-2.0
// The daemon's option table and its reading.
#include "host/daemon/config.hpp"

#include <cmath>

namespace vpowercap {
namespace {

const ProgramSpec spec{
    .name = "vpowercapd",
    .summary = "measure the host's energy and attribute it to virtual machines",
    .usage = "[OPTION]...",
    .description =
        "vpowercapd samples the energy counters of the Linux powercap tree (RAPL) and the CPU time of "
        "every "
        "libvirt/QEMU virtual machine, divides the energy by the work done, and keeps one cumulative "
        "counter "
        "per virtual machine and zone in the ledger, a memory-mapped file in the run directory. "
        "vpowercap-fs shows these counters to the guests; vpowercap and vpowercap-agent to the "
        "operator.\n\n"
        "It stays in the foreground. SIGHUP reads the configuration again, SIGTERM ends it; counters "
        "go on "
        "at the next start. Options may stand in the configuration file as \"name = value\".\n\n"
        "The source \"model\" estimates energy from CPU utilisation on machines without RAPL. "
        "Everything "
        "that shows its numbers says method \"model\".",
    .options = {
        {"config", "FILE", "/etc/vpowercap/vpowercapd.conf", "Configuration file."},
        {"check-config", "", "", "Check configuration and command line, and exit.", false},
        {"run-dir", "DIR", "/run/vpowercap", "Where ledger, socket and shares are."},
        {"group", "NAME", "vpowercap",
         "Group that may read the ledger and ask on the socket; ignored when it does not exist."},
        {"log-level", "LEVEL", "info", "error, warning, info or debug."},
        {"state-dir", "DIR", "/var/lib/vpowercap",
         "Where learned idle power is kept, in idle.json. Empty: nowhere."},
        {"tick", "SECONDS", "1", "Sampling period, 0.1 to 60."},
        {"stale-after", "SECONDS", "60",
         "Guests' reads fail when the daemon has been silent for this long, 2 to 86400, at least three "
         "times tick."},
        {"keep-stopped", "SECONDS", "600",
         "A stopped VM's last values can be read for this long, 1 to 86400; shorter when there are "
         "more "
         "than 512 VMs."},
        {"source", "KIND", "auto", "auto, powercap or model. auto is powercap, never model."},
        {"sysfs-root", "DIR", "/sys", "Where sysfs is; energy is read in class/powercap below it."},
        {"proc-root", "DIR", "/proc", "Where procfs is."},
        {"model-idle-watts", "WATTS", "10", "Model: power of the whole host when idle, 0 to 100000."},
        {"model-max-watts", "WATTS", "60",
         "Model: power of the whole host with all CPUs busy, 0 to 100000."},
        {"idle-policy", "POLICY", "reserved",
         "Who pays for idle power: reserved (by vCPUs owned), usage (by work), equal, none (the "
         "host)."},
        {"idle-package-watts", "WATTS", "",
         "Idle power of one package, 0 to 10000; 0: all energy is dynamic. Not given: learned, with "
         "the "
         "model the model's."},
        {"idle-core-watts", "WATTS", "",
         "Idle power of one package's core domain. Not given: learned."},
        {"idle-uncore-watts", "WATTS", "",
         "Idle power of one package's uncore domain. Not given: learned."},
        {"idle-dram-watts", "WATTS", "",
         "Idle power of one package's dram domain. Not given: learned."},
        {"package-weights", "WEIGHTS", "time",
         "What work counts in the division: time (CPU time) or smt (less beside a busy hardware "
         "thread of the same core)."},
        {"max-zone-watts", "WATTS", "0",
         "No zone draws more than this, 0 to 1000000: an interval that says so is a gap, and so is one "
         "long enough for the counter to wrap twice at this power. 0: by the kind of zone and the "
         "processor's design power."},
        {"grid", "SECONDS", "1",
         "Counters that guests see change at multiples of this only, 1 to 3600."},
        {"quantum-uj", "MICROJOULES", "1000",
         "Counters that guests see are rounded down to this, 1 to 1000000000."},
        {"max-energy-range-uj", "MICROJOULES", "4294967295000000",
         "Where counters that guests see wrap, 1000000 to 9007199254740991."},
        {"energy-mode", "MODE", "0400", "Permissions of energy_uj in guests: 0400, 0440 or 0444."},
        {"topology", "VIEW", "guest",
         "Package zones a guest sees: guest (one per virtual socket), single, host."},
        {"off", "CHOICE", "no",
         "Whether VMs see no zones at all: yes or no. Their energy is counted all the same."},
        {"zones", "ZONES", "all", "Zones a guest sees: all or package (without core, uncore, dram)."},
        {"idle", "CHOICE", "shown",
         "Whether a VM's share of idle energy is in the counters it sees: shown or hidden."},
        {"neighbour-blind", "SECONDS", "0",
         "Counters that guests see follow what other VMs do with this time constant, 60 to 3600; "
         "0: at once."},
        {"libvirt-uri", "URI", "qemu:///system",
         "Connection to libvirt (read-only). Empty: no libvirt."},
        {"libvirt-pid-dir", "DIR", "/run/libvirt/qemu", "Where libvirt keeps NAME.pid."},
    }};

std::uint64_t microwatts(const Options& options, std::string_view name, double low, double high) {
  return static_cast<std::uint64_t>(std::llround(options.real(name, low, high) * 1e6));
}

Nanoseconds seconds(const Options& options, std::string_view name, double low, double high) {
  return Nanoseconds(std::llround(options.real(name, low, high) * 1e9));
}

[[noreturn]] void refuse(const Options& options, const std::string& name, const char* expected) {
  throw UsageError{name + ": \"" + options.text(name) + "\" is none of " + expected};
}

std::uint32_t energy_mode(const Options& options) {
  const auto& text = options.text("energy-mode");
  if (text == "0400") return 0400;
  if (text == "0440") return 0440;
  if (text == "0444") return 0444;
  refuse(options, "energy-mode", "0400, 0440, 0444");
}

/// Whether an option is the second of two words.
bool choice(const Options& options, const std::string& name, const char* first, const char* second) {
  const auto& text = options.text(name);
  if (text != first && text != second)
    refuse(options, name, (std::string(first) + ", " + second).c_str());
  return text == second;
}

VmSettings vm_defaults(const Options& options) {
  VmSettings settings;
  settings.grid_ns = static_cast<std::uint64_t>(seconds(options, "grid", 1, 3600).count());
  settings.quantum_uj = options.number("quantum-uj", 1, 1'000'000'000);
  settings.max_energy_range_uj =
      options.number("max-energy-range-uj", 1'000'000, 9'007'199'254'740'991);
  if (settings.quantum_uj >= settings.max_energy_range_uj)
    throw UsageError{"quantum-uj: is not below max-energy-range-uj: counters would stay at 0"};
  settings.energy_mode = energy_mode(options);
  const auto view = parse_topology_view(options.text("topology"));
  if (!view) refuse(options, "topology", "guest, single, host");
  settings.topology = *view;
  settings.is_off = choice(options, "off", "no", "yes");
  settings.hides_subzones = choice(options, "zones", "all", "package");
  settings.hides_idle = choice(options, "idle", "shown", "hidden");
  settings.blind_seconds = static_cast<std::uint32_t>(options.number("neighbour-blind", 0, 3600));
  if (settings.blind_seconds != 0 && settings.blind_seconds < 60)
    throw UsageError{"neighbour-blind: is neither 0 nor 60 to 3600"};
  return settings;
}

AccountOptions account_options(const Options& options) {
  AccountOptions account;
  const auto policy = parse_idle_policy(options.text("idle-policy"));
  if (!policy) refuse(options, "idle-policy", "reserved, usage, equal, none");
  account.policy = *policy;
  for (std::size_t i = 0; i < account.idle_uw.size(); ++i) {
    const auto name = "idle-" + std::string(to_string(virtual_domains[i])) + "-watts";
    if (!options.text(name).empty()) account.idle_uw[i] = microwatts(options, name, 0, 10000);
  }
  const auto weights = parse_package_weights(options.text("package-weights"));
  if (!weights) refuse(options, "package-weights", "time, smt");
  account.weights = *weights;
  account.keep_stopped = seconds(options, "keep-stopped", 1, 86400);
  account.max_zone_uw = microwatts(options, "max-zone-watts", 0, 1'000'000);
  return account;
}

EnergyOptions energy_options(const Options& options) {
  EnergyOptions energy;
  energy.source = options.text("source");
  if (energy.source != "auto" && energy.source != "powercap" && energy.source != "model")
    refuse(options, "source", "auto, powercap, model");
  energy.proc_root = options.text("proc-root");
  energy.sysfs_root = options.text("sysfs-root");
  energy.model.idle_uw = microwatts(options, "model-idle-watts", 0, 100'000);
  energy.model.max_uw = microwatts(options, "model-max-watts", 0, 100'000);
  if (energy.model.max_uw < energy.model.idle_uw)
    throw UsageError{"model-max-watts: is below model-idle-watts"};
  return energy;
}

}  // namespace

const ProgramSpec& daemon_spec() { return spec; }

DaemonConfig read_config(const Options& options) {
  DaemonConfig config;
  config.paths.run_dir = options.text("run-dir");
  config.state_dir = options.text("state-dir");
  config.group = options.text("group");
  config.log_level = options.text("log-level");
  config.libvirt_uri = options.text("libvirt-uri");
  config.libvirt_pid_dir = options.text("libvirt-pid-dir");
  config.stale_after = seconds(options, "stale-after", 2, 86400);
  config.energy = energy_options(options);
  config.sampler.proc_root = options.text("proc-root");
  config.sampler.sysfs_root = options.text("sysfs-root");
  config.sampler.libvirt_pid_dir = config.libvirt_pid_dir;
  config.sampler.awaited_dir = config.paths.run_dir + "/awaited";
  config.sampler.tick = seconds(options, "tick", 0.1, 60);
  if (config.stale_after < 3 * config.sampler.tick)
    throw UsageError{"stale-after: " + options.text("stale-after") +
                     " s is less than three times tick, which is " + options.text("tick") +
                     " s: guests' reads would fail when a tick is late"};
  config.sampler.account = account_options(options);
  config.vm_defaults = vm_defaults(options);
  return config;
}

}  // namespace vpowercap
