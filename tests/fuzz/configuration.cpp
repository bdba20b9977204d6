// SPDX-License-Identifier: Apache-2.0
// The daemon's configuration file.
#include "host/daemon/config.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

bool within(Nanoseconds time, double low, double high) {
  const auto seconds = std::chrono::duration<double>(time).count();
  return seconds >= low && seconds <= high;
}

void check(const DaemonConfig& config) {
  law(within(config.stale_after, 2, 86400), "stale-after is 2 s to a day");
  law(config.stale_after >= 3 * config.sampler.tick, "stale-after is three ticks at least");
  law(within(config.sampler.tick, 0.1, 60), "a tick is 0.1 to 60 s");
  const auto& vms = config.vm_defaults;
  law(vms.grid_ns >= 1'000'000'000 && vms.grid_ns <= 3600'000'000'000, "1 s to 1 h of grid");
  law(vms.quantum_uj >= 1 && vms.quantum_uj <= 1'000'000'000, "a quantum is 1 to 1e9");
  law(vms.quantum_uj < vms.max_energy_range_uj, "a counter holds a quantum");
  law(vms.max_energy_range_uj >= 1'000'000 && vms.max_energy_range_uj <= 9'007'199'254'740'991,
      "a range is within its own");
  law(config.energy.model.idle_uw <= config.energy.model.max_uw, "an idle machine draws least");
  law(config.energy.model.max_uw <= 100'000'000'000, "the model draws at most 100 kW");
  for (const auto& idle : config.sampler.account.idle_uw)
    law(!idle || *idle <= 10'000'000'000, "idle power is at most 10 kW");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::MemoryFile file;
  static const std::string path = file.path();
  static const char* const words[] = {"vpowercapd", "--config", path.c_str()};
  file.write(fuzz::as_text(data, size));
  try {
    check(read_config(*parse_options(daemon_spec(), 3, words)));
  } catch (const UsageError& error) {
    law(!error.message.empty(), "a refusal gives its reason");
  }
  return 0;
}
