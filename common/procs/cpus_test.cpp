// SPDX-License-Identifier: Apache-2.0
#include "common/procs/cpus.hpp"

#include <unistd.h>

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using testing::TempDir;
using BusyNs = std::map<std::uint32_t, std::uint64_t>;

std::uint64_t tick_ns() { return static_cast<std::uint64_t>(1'000'000'000 / ::sysconf(_SC_CLK_TCK)); }

std::string package_file(const std::string& cpu) {
  return "devices/system/cpu/" + cpu + "/topology/physical_package_id";
}

TEST(ReadCpuMap, FindsThePackageOfEachOnlineCpu) {
  const TempDir dir;
  for (const std::string cpu : {"cpu0", "cpu2", "cpu10"}) dir.write(package_file(cpu), "0\n");
  for (const std::string cpu : {"cpu1", "cpu3"}) dir.write(package_file(cpu), "1\n");
  dir.write("devices/system/cpu/cpu3/online", "0\n");
  dir.write("devices/system/cpu/cpu1/online", "1\n");
  dir.make_directory("devices/system/cpu/cpufreq");
  dir.make_directory("devices/system/cpu/cpu");
  dir.write("devices/system/cpu/online", "0-2,10\n");
  const auto map = read_cpu_map(dir.path());
  ASSERT_TRUE(map);
  EXPECT_EQ(map->package_of, (std::map<std::uint32_t, std::uint32_t>{{0, 0}, {1, 1}, {2, 0}, {10, 0}}));
  EXPECT_EQ(map->cpus_in(0), 3u);
  EXPECT_EQ(map->cpus_in(1), 1u);
  EXPECT_EQ(map->cpus_in(2), 0u);
  EXPECT_EQ(map->package(1), 1u);
  EXPECT_EQ(map->package(99), 0u);
}

TEST(ReadCpuMap, CountsNegativeAndAbsentIdsAsPackageZero) {
  const TempDir dir;
  dir.write(package_file("cpu0"), "-1\n");
  dir.make_directory("devices/system/cpu/cpu1");
  const auto map = read_cpu_map(dir.path());
  ASSERT_TRUE(map);
  EXPECT_EQ(map->cpus_in(0), 2u);
}

TEST(ReadCpuMap, KnowsTheDiesOfPackagesThatHaveSeveral) {
  const TempDir dir;
  const auto cpu = [&](const std::string& number, const char* package, const char* die) {
    dir.write(package_file("cpu" + number), package);
    dir.write("devices/system/cpu/cpu" + number + "/topology/die_id", die);
  };
  cpu("0", "0\n", "0\n");
  cpu("1", "0\n", "3\n");
  cpu("2", "1\n", "5\n");
  cpu("3", "1\n", "5\n");
  cpu("4", "2\n", "-1\n");
  const auto map = read_cpu_map(dir.path());
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(map->die_of, (std::map<std::uint32_t, std::uint32_t>{{0, 0}, {1, 3}}));
  cpu("1", "0\n", "one\n");
  const auto broken = read_cpu_map(dir.path());
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("cpu1/topology/die_id"), std::string::npos);
}

TEST(ReadCpuMap, FindsTheSiblingsOfEachCpu) {
  const TempDir dir;
  for (const std::string cpu : {"0", "1", "4", "5", "6"}) dir.write(package_file("cpu" + cpu), "0\n");
  const auto list = [&](const std::string& cpu, const char* text) {
    dir.write("devices/system/cpu/cpu" + cpu + "/topology/thread_siblings_list", text);
  };
  list("0", "0,4\n");
  list("4", "0,4\n");
  list("1", "1\n");
  list("5", "5-6\n");
  const auto map = read_cpu_map(dir.path());
  ASSERT_TRUE(map) << map.error().message;
  using Siblings = std::map<std::uint32_t, std::vector<std::uint32_t>>;
  EXPECT_EQ(map->siblings, (Siblings{{0, {4}}, {4, {0}}, {5, {6}}}));
  for (const char* text : {"x\n", "0-\n", "4-0\n", "0,,4\n", "0-99999999999\n"}) {
    list("0", text);
    const auto bad = read_cpu_map(dir.path());
    ASSERT_FALSE(bad) << text;
    EXPECT_EQ(bad.error().code, EPROTO);
  }
}

TEST(ReadCpuMap, NamesWhatIsMissingOrMalformed) {
  const TempDir dir;
  EXPECT_EQ(read_cpu_map(dir.path()).error().code, ENOENT);
  dir.make_directory("devices/system/cpu");
  EXPECT_EQ(read_cpu_map(dir.path()).error().code, ENOENT);
  for (const char* text : {"", "abc\n", "4294967296\n"}) {
    dir.write(package_file("cpu0"), text);
    const auto map = read_cpu_map(dir.path());
    ASSERT_FALSE(map) << text;
    EXPECT_EQ(map.error().code, EPROTO);
    EXPECT_NE(map.error().message.find(dir.path(package_file("cpu0"))), std::string::npos);
  }
}

TEST(ReadCpuBusyNs, AddsAllButIdleAndWaitingAndCountsGuestTimeOnce) {
  const TempDir dir;
  dir.write("stat",
            "cpu  9 9 9 9 9 9 9 9 9 9\n"
            "cpu0 1000 200 30 99999 77777 4 5 6 900 100\n"
            "cpu11 1 0 0 5 0 0 0 0 0 0\n"
            "intr 12345 0 0\nctxt 1\n");
  const auto busy = read_cpu_busy_ns(dir.path());
  ASSERT_TRUE(busy);
  EXPECT_EQ(*busy, (BusyNs{{0, 1245 * tick_ns()}, {11, tick_ns()}}));
}

TEST(ReadCpuBusyNs, TakesTheFourFieldsThatEveryKernelHas) {
  const TempDir dir;
  dir.write("stat", "cpu0 1 2 3 4\n");
  EXPECT_EQ(read_cpu_busy_ns(dir.path()), (BusyNs{{0, 6 * tick_ns()}}));
}

TEST(ReadCpuBusyNs, RefusesMalformedFilesByName) {
  const TempDir dir;
  EXPECT_EQ(read_cpu_busy_ns(dir.path()).error().code, ENOENT);
  for (const char* text :
       {"", "intr 1\n", "cpu  1 2 3 4 5 6 7 8 9 10\n", "cpu0\n", "cpu0 1 2 3\n", "cpu0 1 2 3 4",
        "cpu0 1 x 3 4\n", "cpu0 1 -2 3 4\n", "cpu0 18446744073709551616 0 0 0\n",
        "cpu0 18446744073709551615 1 0 0\n", "cpu0 18446744073709551615 0 0 0\n"}) {
    dir.write("stat", text);
    const auto busy = read_cpu_busy_ns(dir.path());
    ASSERT_FALSE(busy) << text;
    EXPECT_EQ(busy.error().code, EPROTO) << text;
    EXPECT_NE(busy.error().message.find(dir.path("stat")), std::string::npos) << busy.error().message;
  }
}

TEST(ParseCpuList, HasAnEnd) {
  EXPECT_EQ(parse_cpu_list("0-65535\n")->size(), 65536u);
  EXPECT_FALSE(parse_cpu_list("0-65536\n"));
  EXPECT_FALSE(parse_cpu_list("0-65535,7\n")) << "a short text must not take memory without bound";
}

TEST(ReadCpuBusyNs, AndReadCpuMapKnowTheSameCpusOfThisMachine) {
  const auto busy = read_cpu_busy_ns("/proc");
  const auto map = read_cpu_map("/sys");
  ASSERT_TRUE(busy) << busy.error().message;
  ASSERT_TRUE(map) << map.error().message;
  for (const auto& [cpu, ns] : *busy) EXPECT_TRUE(map->package_of.contains(cpu)) << cpu;
}

}  // namespace
}  // namespace vpowercap
