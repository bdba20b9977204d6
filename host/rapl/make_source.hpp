// SPDX-License-Identifier: Apache-2.0
// Choosing the energy source.
#pragma once

#include <memory>
#include <string>

#include "host/rapl/energy_source.hpp"
#include "host/rapl/model_source.hpp"

namespace vpowercap {

/// What the operator says about energy.
struct EnergyOptions {
  std::string source = "auto";  ///< auto, powercap or model
  std::string sysfs_root = "/sys";
  std::string proc_root = "/proc";
  ModelPower model;
};

/// Makes the source. `powercap` waits for zones that come later; `auto` is powercap that is there now:
/// it never becomes the model by itself, because a modelled number must be asked for.
/// `clock` must outlive the source. Errors: EINVAL naming the option that is wrong; with `auto` ENODEV
/// when no package's energy can be read, saying what to do.
Result<std::unique_ptr<EnergySource>> make_energy_source(const EnergyOptions& options,
                                                         const Clock& clock);

}  // namespace vpowercap
