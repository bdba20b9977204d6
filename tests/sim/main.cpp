// SPDX-License-Identifier: Apache-2.0
// Runs all scenarios (or those named) and prints the errors of every system as JSON.
#include <sys/stat.h>

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
  return {{"name", result.name},
          {"text", result.text},
          {"vms", result.vms},
          {"errors", errors},
          {"dynamic_errors", dynamic}};
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
    std::cout << json{{"scenarios", list}}.dump(1) << "\n";
  } catch (const std::exception& error) {
    std::cerr << "accuracy: " << error.what() << "\n";
    return 1;
  }
  return 0;
}
