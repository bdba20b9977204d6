// SPDX-License-Identifier: Apache-2.0
#include "guest/mount/mount_table.hpp"

namespace vpowercap {
namespace {

constexpr const char* table =
    "22 1 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
    "31 22 0:45 / /sys/class/powercap ro,nosuid,nodev,noexec - virtiofs vpowercap rw\n"
    "40 1 0:50 / /mnt/a\\040b\\134 rw,relatime shared:1 master:2 - tmpfs tag\\040x rw,size=1k\n";

TEST(FindMount, NamesTypeSourceAndWhetherItIsReadOnly) {
  const auto found = find_mount(table, "/sys/class/powercap");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->type, "virtiofs");
  EXPECT_EQ(found->source, "vpowercap");
  EXPECT_TRUE(found->read_only);
  EXPECT_FALSE(find_mount(table, "/sys")->read_only);
}

TEST(FindMount, UndoesTheKernelsEscapes) {
  const auto found = find_mount(table, "/mnt/a b\\");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->source, "tag x");
}

TEST(FindMount, TakesTheUppermostOfSeveral) {
  constexpr const char* stacked =
      "31 22 0:45 / /sys/class/powercap ro - virtiofs vpowercap rw\n"
      "50 31 0:9 / /sys/class/powercap rw - tmpfs none rw\n";
  EXPECT_EQ(find_mount(stacked, "/sys/class/powercap")->type, "tmpfs");
}

TEST(FindMount, PassesOverWhatIsNoMount) {
  EXPECT_FALSE(find_mount(table, "/sys/class"));
  EXPECT_FALSE(find_mount("", "/sys"));
  for (const char* broken :
       {"22 1 0:21 / /sys rw", "22 1 0:21 / /sys rw -", "22 1 0:21 / /sys rw - sysfs", "/sys", " ",
        "\n\n", "22 1 0:21 / /sys\\04"})
    EXPECT_FALSE(find_mount(broken, "/sys")) << broken;
}

TEST(CurrentMount, KnowsProcAndFollowsLinks) {
  const auto proc = current_mount("/proc/self/root/proc");
  ASSERT_TRUE(proc) << proc.error().message;
  ASSERT_TRUE(*proc);
  EXPECT_EQ((*proc)->type, "proc");
  EXPECT_EQ(current_mount("/nowhere/at/all").error().code, ENOENT);
}

}  // namespace
}  // namespace vpowercap
