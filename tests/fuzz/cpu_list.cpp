// SPDX-License-Identifier: Apache-2.0
// Lists of CPUs, by both of their parsers.
#include <bitset>

#include "common/procs/affinity.hpp"
#include "common/procs/cpus.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::as_text(data, size);
  const auto ranges = CpuList::parse(text);
  const auto cpus = parse_cpu_list(text);
  if (!ranges) law(ranges.error().code == EPROTO, "a refusal is EPROTO");
  if (cpus) law(cpus->size() <= 65536, "no list has more CPUs than Linux can have");
  if (!ranges || !cpus) return 0;
  law(ranges->empty() == cpus->empty(), "both parsers find CPUs or none");
  std::bitset<128> low;
  for (const auto cpu : *cpus)
    if (cpu < low.size()) low.set(cpu);
  for (std::uint32_t cpu = 0; cpu < low.size(); ++cpu)
    law(ranges->contains(cpu) == low.test(cpu), "both parsers find the same CPUs");
  if (!cpus->empty()) law(ranges->contains(cpus->back()), "both parsers find the last CPU");
  return 0;
}
