// SPDX-License-Identifier: Apache-2.0
#include "common/procs/affinity.hpp"

#include <sched.h>
#include <unistd.h>

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

TEST(CpuList, HoldsWhatTheKernelPrints) {
  const auto list = CpuList::parse("0-3,8,10-11\n");
  ASSERT_TRUE(list);
  std::vector<std::uint32_t> held;
  for (std::uint32_t cpu = 0; cpu < 16; ++cpu)
    if (list->contains(cpu)) held.push_back(cpu);
  EXPECT_EQ(held, (std::vector<std::uint32_t>{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_TRUE(CpuList::parse("\n")->empty());
}

TEST(CpuList, RefusesWhatIsNoList) {
  for (const char* text : {"x", "1-", "-1", "3-1", "1,,2", "1 2", "4294967296", "0-3\n,5"})
    EXPECT_FALSE(CpuList::parse(text)) << text;
}

TEST(AllowedCpus, AreReadFromTheThreadsStatus) {
  const testing::TempDir dir;
  dir.write("task/71/status",
            "Name:\tCPU 0/KVM\nCpus_allowed:\tff00\nCpus_allowed_list:\t8-15\nMems_allowed_list:\t1\n");
  const auto list = read_allowed_cpus(dir.path("task"), 71);
  ASSERT_TRUE(list) << list.error().message;
  EXPECT_TRUE(list->contains(8));
  EXPECT_FALSE(list->contains(7));
}

TEST(AllowedCpus, AnEndedThreadAndABrokenFileAreNamed) {
  const testing::TempDir dir;
  dir.write("task/71/status", "Name:\tCpus_allowed_list:\t1\n");
  EXPECT_EQ(read_allowed_cpus(dir.path("task"), 70).error().code, ESRCH);
  const auto broken = read_allowed_cpus(dir.path("task"), 71);
  EXPECT_EQ(broken.error().code, EPROTO);
  EXPECT_NE(broken.error().message.find("71/status"), std::string::npos);
}

TEST(AllowedCpus, OfThisVeryThreadAreThoseOfTheScheduler) {
  cpu_set_t set;
  ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  const auto list = read_allowed_cpus("/proc/self/task", ::gettid());
  ASSERT_TRUE(list) << list.error().message;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    EXPECT_EQ(list->contains(static_cast<std::uint32_t>(cpu)), CPU_ISSET(cpu, &set) != 0) << cpu;
}

}  // namespace
}  // namespace vpowercap
