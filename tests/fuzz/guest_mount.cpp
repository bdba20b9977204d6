// SPDX-License-Identifier: Apache-2.0
// mountinfo as the guest's program reads it.
#include "guest/mount/mount_table.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::as_text(data, size);
  constexpr std::string_view target = "/sys/class/powercap";
  const auto found = find_mount(text, target);
  if (!found) return 0;
  law(found->target == target, "the mount is at the place asked for");
  const auto line = "9 1 0:30 / /sys/class/powercap ro,nosuid shared:5 - virtiofs vpowercap rw\n";
  const auto on_top = find_mount(std::string(text) + "\n" + line, target);
  law(on_top && on_top->type == "virtiofs" && on_top->source == "vpowercap" && on_top->read_only,
      "the last mount at a place is the one on top");
  return 0;
}
