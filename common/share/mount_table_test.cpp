// SPDX-License-Identifier: Apache-2.0
// The law of reading the mount table.
#include "common/share/mount_table.hpp"

namespace vpowercap {
namespace {

constexpr auto lines =
    "22 1 0:20 / / rw,relatime - ext4 /dev/vda1 rw\n"
    "30 22 0:25 / /run/a\\040b rw,nosuid shared:5 - tmpfs vpowercap-share rw,mode=755\n"
    "31 22 0:25 /x /run/v ro,nosuid master:7 shared:9 propagate_from:2 - tmpfs t rw\n"
    "32 31 0:31 /u /run/v ro - fuse.vpowercap vpowercap ro,user_id=0\n"
    "33 31 0:31 /u /run/cut ro\n";

TEST(MountTable, ReadsOptionalFieldsAndEscapes) {
  const auto table = parse_mount_table(lines);
  ASSERT_EQ(table.size(), 4u);
  EXPECT_EQ(table[1].mount_point, "/run/a b");
  EXPECT_EQ(table[1].device, "0:25");
  EXPECT_TRUE(table[1].shared);
  EXPECT_FALSE(table[1].read_only());
  EXPECT_FALSE(table[0].shared);
  EXPECT_EQ(table[2].root, "/x");
  EXPECT_TRUE(table[2].shared);
  EXPECT_TRUE(table[2].read_only());
  EXPECT_EQ(table[3].type, "fuse.vpowercap");
  EXPECT_EQ(table[3].source, "vpowercap");
}

TEST(MountTable, FindsTheTopmostOfSeveral) {
  const auto table = parse_mount_table(lines);
  ASSERT_NE(find_mount(table, "/run/v"), nullptr);
  EXPECT_EQ(find_mount(table, "/run/v")->device, "0:31");
  EXPECT_EQ(find_mount(table, "/run"), nullptr);
}

}  // namespace
}  // namespace vpowercap
