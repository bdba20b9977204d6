// SPDX-License-Identifier: Apache-2.0
// A resctrl group's traffic and threads: mbm_total_bytes, mbm_local_bytes, tasks.
#include <sys/stat.h>

#include "common/procs/resctrl.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::MemoryTree tree;
  static const auto total = tree.file("mon_data/mon_L3_07/mbm_total_bytes");
  static const auto local = tree.file("mon_data/mon_L3_07/mbm_local_bytes");
  static const auto group = ResctrlGroup::open(tree.path(), "").value();
  const auto input = fuzz::parts(fuzz::as_text(data, size), 3);
  total.write(input[0]);
  local.write(input[1]);
  if (const auto traffic = group.traffic()) {
    law(traffic->size() == 1 && traffic->contains(7), "the cache is the directory's");
    law(traffic->at(7).local <= traffic->at(7).total, "local traffic is a part of all");
  } else {
    law(traffic.error().message.starts_with(tree.path()), "a refusal names the file");
  }
  static const std::string path = "tasks";
  const auto threads = parse_tasks(input[2], path);
  if (!threads) {
    law(threads.error().code == EPROTO && threads.error().message.starts_with(path),
        "a refusal names the file");
    return 0;
  }
  std::string printed;
  for (const auto tid : *threads) {
    law(tid > 0, "a thread's number is above 0");
    printed += std::to_string(tid) + "\n";
  }
  law(parse_tasks(printed, path) == *threads, "threads printed and read again are the same");
  return 0;
}
