// SPDX-License-Identifier: Apache-2.0
// Learned idle power as the daemon finds it at its start.
#include "host/sampler/idle_file.hpp"

#include <algorithm>

#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

bool same(const IdleLearner::Zone& a, const IdleLearner::Zone& b) {
  const auto same_cell = [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.lowest_uw == y.second.lowest_uw &&
           x.second.weight == y.second.weight;
  };
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!std::equal(a[i].begin(), a[i].end(), b[i].begin(), b[i].end(), same_cell)) return false;
  return true;
}

/// No estimate is above the highest power that was seen.
void check_estimates(const IdleLearner::Memory& memory) {
  IdleLearner learner;
  learner.restore(memory);
  for (const auto& [name, zone] : memory) {
    std::uint64_t highest = 0;
    for (const auto& levels : zone)
      for (const auto& [level, cell] : levels) highest = std::max(highest, cell.lowest_uw);
    law(learner.estimate(name).power_uw <= highest, "idle power is none above all that was seen");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto memory = parse_idle_memory(fuzz::as_text(data, size));
  if (!memory) return 0;
  check_estimates(*memory);
  const auto again = parse_idle_memory(print_idle_memory(*memory));
  law(again && again->size() == memory->size(), "memory printed and read again has as many zones");
  for (const auto& [name, zone] : *memory)
    law(again->contains(name) && same(zone, again->at(name)), "a zone read again is the same");
  return 0;
}
