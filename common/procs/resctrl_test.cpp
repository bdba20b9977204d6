// SPDX-License-Identifier: Apache-2.0
#include "common/procs/resctrl.hpp"

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

/// A machine with two L3 caches, a VM's monitoring group in the root and a control group.
struct Resctrl : ::testing::Test {
  testing::TempDir dir;
  const std::string vm = "fs/resctrl/mon_groups/qemu-1-web-vcpus_0-1";

  void SetUp() override {
    group("fs/resctrl", 1000, 800, "1\n2\n");
    group(vm, 300, 200, "71\n72\n");
    group("fs/resctrl/limited", 50, 50, "");
    dir.make_directory("fs/resctrl/limited/mon_groups");
    dir.make_directory("fs/resctrl/info/L3_MON");
  }
  void group(const std::string& at, int total, int local, const char* tasks) const {
    for (const char* cache : {"00", "01"}) {
      dir.write(bytes(at, cache, "total"), std::to_string(total) + "\n");
      dir.write(bytes(at, cache, "local"), std::to_string(local) + "\n");
      dir.write(at + "/mon_data/mon_L3_" + cache + "/llc_occupancy", "4096\n");
    }
    dir.write(at + "/tasks", tasks);
  }
  static std::string bytes(const std::string& group, const char* cache, const std::string& which) {
    return group + "/mon_data/mon_L3_" + cache + "/mbm_" + which + "_bytes";
  }
  [[nodiscard]] std::vector<ResctrlGroup> open() const {
    auto groups = open_resctrl(dir.path());
    EXPECT_TRUE(groups) << groups.error().message;
    return std::move(*groups);
  }
};

TEST_F(Resctrl, ListsControlGroupsAndTheMonitoringGroupsWithinThem) {
  const auto groups = open();
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].directory(), dir.path("fs/resctrl"));
  EXPECT_EQ(groups[0].parent(), "");
  EXPECT_EQ(groups[1].directory(), dir.path(vm));
  EXPECT_EQ(groups[1].parent(), dir.path("fs/resctrl"));
  EXPECT_EQ(groups[2].directory(), dir.path("fs/resctrl/limited"));
  EXPECT_EQ(groups[2].parent(), "");
}

TEST_F(Resctrl, ReadsTrafficByCacheAgainAndAgain) {
  const auto groups = open();
  dir.write(bytes(vm, "01", "total"), "700\n");
  const auto traffic = groups[1].traffic();
  ASSERT_TRUE(traffic) << traffic.error().message;
  EXPECT_EQ(traffic->at(0).total, 300u);
  EXPECT_EQ(traffic->at(0).local, 200u);
  EXPECT_EQ(traffic->at(1).total, 700u);
}

TEST_F(Resctrl, WithoutACountOfLocalTrafficAllIsLocal) {
  dir.remove(bytes(vm, "00", "local"));
  EXPECT_EQ(open()[1].traffic()->at(0).local, 300u);
}

TEST_F(Resctrl, TellsItsThreads) {
  const auto groups = open();
  EXPECT_EQ(*groups[1].threads(), (std::vector<std::int64_t>{71, 72}));
  EXPECT_TRUE(groups[2].threads()->empty());
}

TEST_F(Resctrl, WhatIsNoNumberNamesTheFile) {
  const auto groups = open();
  for (const auto& [text, code] : {std::pair{"Unavailable\n", ENODATA},
                                   {"Unassigned\n", ENODATA},
                                   {"Error\n", ENODATA},
                                   {"\n", EPROTO},
                                   {"-1\n", EPROTO}}) {
    dir.write(bytes(vm, "01", "total"), text);
    const auto traffic = groups[1].traffic();
    ASSERT_FALSE(traffic) << text;
    EXPECT_EQ(traffic.error().code, code) << text;
    EXPECT_NE(traffic.error().message.find("mon_L3_01/mbm_total_bytes"), std::string::npos);
  }
  for (const char* text : {"71\nx\n", "71\n0\n", "2147483648\n", "18446744073709551615\n"}) {
    dir.write(vm + "/tasks", text);
    EXPECT_EQ(groups[1].threads().error().code, EPROTO) << text;
  }
}

TEST_F(Resctrl, MachinesWithoutItAreEnoent) {
  dir.remove("fs/resctrl/mon_data");
  dir.write("fs/resctrl/mon_data/mon_L3_00/llc_occupancy", "4096\n");
  EXPECT_EQ(open_resctrl(dir.path()).error().code, ENOENT);
  dir.remove("fs");
  EXPECT_EQ(open_resctrl(dir.path()).error().code, ENOENT);
}

TEST_F(Resctrl, L3CachesAreKnownByOneOfTheirCpus) {
  const auto cache = [&](const std::string& cpu, const std::string& index, const char* level,
                         const char* id) {
    const auto at = "devices/system/cpu/cpu" + cpu + "/cache/index" + index + "/";
    dir.write(at + "level", level);
    dir.write(at + "id", id);
  };
  for (const std::string cpu : {"0", "1", "2"}) cache(cpu, "0", "1\n", "9\n");
  cache("0", "1", "3\n", "0\n");
  cache("1", "1", "3\n", "0\n");
  cache("2", "1", "3\n", "12\n");
  EXPECT_EQ(read_l3_caches(dir.path(), {0, 1, 2, 3}),
            (std::map<std::uint32_t, std::uint32_t>{{0, 0}, {12, 2}}));
}

}  // namespace
}  // namespace vpowercap
