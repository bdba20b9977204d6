// SPDX-License-Identifier: Apache-2.0
// What a recorded counter shows of its neighbour: JSON of a Recording on stdin, its figures on stdout.
#include <iostream>
#include <nlohmann/json.hpp>

#include "tests/sim/recording.hpp"

namespace {

using vpowercap::sim::Recording;

Recording parse(const nlohmann::json& json) {
  Recording recording;
  recording.grid_s = json.at("grid_s");
  recording.start_s = json.at("start_s");
  recording.symbol_s = json.at("symbol_s");
  for (const char bit : json.at("sent").get<std::string>()) recording.sent.push_back(bit == '1');
  for (const auto& reading : json.at("readings"))
    recording.readings.push_back({reading.at(0), reading.at(1)});
  return recording;
}

}  // namespace

int main() {
  const auto recording = parse(nlohmann::json::parse(std::cin));
  if (recording.sent.size() < 8 || recording.readings.size() < 8) {
    std::cerr << "recorded: fewer than 8 symbols or readings\n";
    return 1;
  }
  const auto found = vpowercap::sim::likeness(recording);
  const nlohmann::json figures{{"correlation", found.correlation},
                               {"lag_s", found.lag_s},
                               {"swing_w", found.swing_w},
                               {"chance", found.chance},
                               {"steps", found.steps},
                               {"bits_per_symbol", vpowercap::sim::bits_per_symbol(recording)}};
  std::cout << figures.dump() << "\n";
}
