// SPDX-License-Identifier: Apache-2.0
// A powercap class directory: a zone, its sub-zone, and a zone with any name.
#include <cstdio>

#include "common/powercap/tree.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

struct Zone {
  fuzz::MemoryFile name, range, energy, power;
  Zone(const fuzz::MemoryTree& tree, const std::string& id)
      : name(tree.file(id + "/name")),
        range(tree.file(id + "/max_energy_range_uj")),
        energy(tree.file(id + "/energy_uj")),
        power(tree.file(id + "/constraint_0_max_power_uw")) {}
};

struct Files {
  fuzz::MemoryTree tree;
  Zone package{tree, "intel-rapl:0"};
  Zone part{tree, "intel-rapl:0:0"};
  Zone other{tree, "other"};
};

bool can_be_a_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.find('/') == std::string_view::npos &&
         text.find('\0') == std::string_view::npos && text != "." && text != ".." &&
         !text.starts_with("intel-rapl:0");
}

/// Gives the third zone's directory the name `wanted` for as long as this lives.
class Named {
 public:
  Named(const fuzz::MemoryTree& tree, std::string_view wanted)
      : from_(tree.path("other")), to_(tree.path(can_be_a_name(wanted) ? wanted : "other")) {
    law(std::rename(from_.c_str(), to_.c_str()) == 0, "a directory in memory can be renamed");
  }
  ~Named() { std::rename(to_.c_str(), from_.c_str()); }

 private:
  std::string from_, to_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Files files;
  const auto input = fuzz::parts(fuzz::as_text(data, size), 8);
  files.package.name.write(input[0]);
  files.package.range.write(input[1]);
  files.package.energy.write(input[2]);
  files.package.power.write(input[3]);
  files.part.name.write(input[4]);
  files.part.range.write(input[5]);
  files.part.energy.write(input[6]);
  files.other.name.write("package-9\n");
  files.other.range.write("1000\n");
  files.other.energy.write("5\n");
  const Named named(files.tree, input[7].substr(0, input[7].find('\n')));
  const auto scan = scan_powercap(files.tree.path());
  law(scan.zones.size() + scan.problems.size() <= 3, "each directory is a zone, a problem or nothing");
  for (const auto& problem : scan.problems)
    law(problem.message.find(files.tree.path()) != std::string::npos, "a problem names the file");
  for (const auto& zone : scan.zones) {
    const auto& info = zone.info();
    law(info.id.starts_with(info.control_type + ":"), "an id begins with the control type");
    const auto value = zone.read_energy();
    law(value && *value <= info.max_energy_range_uj, "a zone that was found can be read");
    const bool is_part = info.domain != EnergyDomain::package && info.domain != EnergyDomain::psys;
    law(!is_part || info.id == "intel-rapl:0:0" || info.id.find(':') != info.id.rfind(':'),
        "a part of a package is below one");
  }
  return 0;
}
