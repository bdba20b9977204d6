// SPDX-License-Identifier: Apache-2.0
// energy_uj and the names of zones.
#include "common/powercap/tree.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

void check_value(std::string_view text) {
  static const fuzz::MemoryFile file;
  static const std::string path = "energy_uj";
  static const PowercapZone zone({.id = "intel-rapl:0", .max_energy_range_uj = 262'143'328'850}, path,
                                 UniqueFd(::dup(file.fd())));
  file.write(text);
  const auto value = zone.read_energy();
  if (!value) {
    law(value.error().message.starts_with(path), "a refusal names the file");
    return;
  }
  law(*value <= zone.info().max_energy_range_uj, "a counter is within its range");
  file.write(std::to_string(*value) + "\n");
  law(zone.read_energy() == *value, "a value printed and read again is the same");
}

void check_name(std::string_view text) {
  const auto name = parse_zone_name(text);
  if (!name) return;
  const bool numbered = text.find('-') != std::string_view::npos;
  std::string printed(to_string(name->domain));
  if (numbered) printed += "-" + std::to_string(name->package);
  if (name->die) printed += "-die-" + std::to_string(*name->die);
  const auto again = parse_zone_name(printed);
  law(again && again->domain == name->domain && again->package == name->package &&
          again->die == name->die,
      "a name printed and read again is the same");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::as_text(data, size);
  check_value(text);
  check_name(text);
  return 0;
}
