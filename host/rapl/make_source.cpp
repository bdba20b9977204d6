// SPDX-License-Identifier: Apache-2.0
// The choice between powercap and the model.
#include "host/rapl/make_source.hpp"

#include <algorithm>

#include "common/base/utf8.hpp"
#include "host/rapl/powercap_source.hpp"

namespace vpowercap {

Result<std::unique_ptr<EnergySource>> make_energy_source(const EnergyOptions& options,
                                                         const Clock& clock) {
  if (options.source == "model") {
    if (options.model.max_uw == 0 || options.model.idle_uw > options.model.max_uw)
      return fail(EINVAL, "the model's maximum power must be above 0 and not below its idle power");
    return std::make_unique<ModelSource>(options.model, clock, options.proc_root, options.sysfs_root);
  }
  if (options.source != "powercap" && options.source != "auto")
    return fail(EINVAL,
                "source: \"" + printable(options.source) + "\" is none of auto, powercap, model");

  const std::string path = options.sysfs_root + "/class/powercap";
  const auto vendor = read_cpu_vendor(options.proc_root);
  if (!vendor) return tl::unexpected(vendor.error());
  auto source = std::make_unique<PowercapSource>(path, clock, *vendor);
  if (options.source == "powercap") return source;
  const auto readings = source->sample();
  if (std::any_of(readings.begin(), readings.end(), [](const ZoneReading& reading) {
        return reading.domain == EnergyDomain::package && reading.raw_uj;
      }))
    return source;
  const auto problems = source->take_problems();
  return fail(ENODEV,
              "no RAPL package can be read below " + path +
                  (problems.empty() ? "" : " (" + problems.front().message + ")") +
                  ": load the kernel's RAPL driver (modprobe intel_rapl_msr) and run with the right to "
                  "read energy_uj, or choose modelled energy with: source = model");
}

}  // namespace vpowercap
