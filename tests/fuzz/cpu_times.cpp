// SPDX-License-Identifier: Apache-2.0
// The CPUs' times in /proc/stat.
#include "common/procs/cpus.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string path = "/proc/stat";
  const auto busy = parse_cpu_busy_ns(fuzz::as_text(data, size), path);
  if (!busy) {
    law(busy.error().code == EPROTO && busy.error().message.starts_with(path),
        "a refusal names the file");
    return 0;
  }
  std::string printed;
  for (const auto& [cpu, ns] : *busy) {
    law(ns % 10'000'000 == 0, "time is whole clock ticks");
    printed += "cpu" + std::to_string(cpu) + " " + std::to_string(ns / 10'000'000) + " 0 0 7\n";
  }
  law(parse_cpu_busy_ns(printed, path) == *busy, "times printed and read again are the same");
  return 0;
}
