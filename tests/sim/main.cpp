// SPDX-License-Identifier: Apache-2.0
// Runs all scenarios (or those named, and then no more) and prints the errors of every system as JSON.
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tests/sim/bench.hpp"

namespace {

using nlohmann::json;
using namespace vpowercap::sim;

json to_json(const Errors& errors) { return {{"mean", errors.mean}, {"worst", errors.worst}}; }

json to_json(const ScenarioResult& result) {
  json errors = json::object();
  json dynamic = json::object();
  for (const auto& system : result.systems) {
    errors[system.system] = to_json(system.total);
    dynamic[system.system] = to_json(system.dynamic);
  }
  json variants = json::object();
  for (const auto& variant : result.variants)
    variants[variant.errors.system] = {{"errors", to_json(variant.errors.total)},
                                       {"dynamic_errors", to_json(variant.errors.dynamic)},
                                       {"idle_watts", variant.idle_w}};
  return {{"name", result.name}, {"text", result.text},       {"vms", result.vms},
          {"errors", errors},    {"dynamic_errors", dynamic}, {"variants", variants}};
}

/// "SMT pairs" on hosts where two busy siblings draw more or less than the 1.1 times that `smt`
/// assumes.
json siblings() {
  const auto all = scenarios();
  const auto pairs =
      std::find_if(all.begin(), all.end(), [](const Scenario& s) { return s.name == "SMT pairs"; });
  json list = json::array();
  for (const double factor : {1.0, 1.1, 1.2, 1.3, 1.4, 1.5}) {
    auto scenario = *pairs;
    scenario.shape.power.sibling = factor;
    const auto result = to_json(run(scenario));
    list.push_back({{"factor", factor},
                    {"vpowercap", result["errors"]["vpowercap"]},
                    {"vpowercap (smt)", result["variants"]["vpowercap (smt)"]["errors"]}});
  }
  return list;
}

/// Memory's dynamic energy in "memory mix", divided by CPU time and by traffic.
json dram() {
  const auto error = [](bool resctrl) {
    return to_json(run(memory_mix(resctrl)).systems.front().dram);
  };
  return {{"work", error(false)}, {"bandwidth", error(true)}};
}

bool is_wanted(const std::string& name, int argc, char** argv) {
  if (argc < 2) return true;
  for (int i = 1; i < argc; ++i)
    if (name == argv[i]) return true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  struct stat memory{};
  // A simulation writes thousands of small files: in memory where that can be.
  if (::stat("/dev/shm", &memory) == 0 && S_ISDIR(memory.st_mode)) ::setenv("TMPDIR", "/dev/shm", 0);
  try {
    json list = json::array();
    for (const auto& scenario : scenarios())
      if (is_wanted(scenario.name, argc, argv)) list.push_back(to_json(run(scenario)));
    json results{{"scenarios", list}};
    if (argc < 2) {
      results["siblings"] = siblings();
      results["dram"] = dram();
    }
    std::cout << results.dump(1) << "\n";
  } catch (const std::exception& error) {
    std::cerr << "accuracy: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
