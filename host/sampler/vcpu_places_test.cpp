// SPDX-License-Identifier: Apache-2.0
#include "host/sampler/vcpu_places.hpp"

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
using Reserved = std::map<ZoneScope, std::vector<std::uint64_t>>;

/// A host of two packages: CPUs 0-3 and 4-5.
struct Places : ::testing::Test {
  testing::TempDir dir;
  CpuMap cpus{{{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 1}, {5, 1}}};
  VcpuPlaces places{dir.path("task")};
  VmTopology topology{4, 2};
  std::vector<ThreadWork> threads;

  void pin(std::int64_t tid, const std::string& list) {
    dir.write("task/" + std::to_string(tid) + "/status",
              "Name:\tx\nCpus_allowed_list:\t" + list + "\n");
  }
  void vcpu(std::uint32_t number, const std::string& list) {
    threads.push_back({100 + number, number, 0, 0});
    pin(100 + number, list);
  }
  Reserved at(Nanoseconds now) { return places.reserved(threads, topology, cpus, now); }
};

TEST_F(Places, AnUnpinnedVcpuIsSpreadOverPackagesByTheirCpus) {
  vcpu(0, "0-63");
  EXPECT_EQ(at(1s), (Reserved{{0, {667, 0}}, {1, {333, 0}}}));
}

TEST_F(Places, APinnedVcpuIsOnItsPackageAlone) {
  vcpu(0, "0-3");
  vcpu(1, "1");
  vcpu(2, "4-5");
  vcpu(3, "2-5");
  EXPECT_EQ(at(1s), (Reserved{{0, {2000, 500}}, {1, {0, 1500}}}));
}

TEST_F(Places, AllVcpusTogetherAreWhatTheVmOwns) {
  cpus.package_of[6] = 2;
  vcpu(0, "0-6");
  vcpu(1, "3-6");
  vcpu(2, "4,6");
  std::uint64_t sum = 0;
  for (const auto& [package, sockets] : at(1s))
    for (const auto milli : sockets) sum += milli;
  EXPECT_EQ(sum, 3000u);
}

TEST_F(Places, TheDiesOfAPackageShareWhatIsOnIt) {
  cpus.die_of = {{0, 0}, {1, 0}, {2, 0}, {3, 1}};
  vcpu(0, "0-3");
  vcpu(2, "3-5");
  EXPECT_EQ(at(1s),
            (Reserved{{0, {1000, 333}}, {{0, 0}, {750, 0}}, {{0, 1}, {250, 333}}, {1, {0, 667}}}));
}

TEST_F(Places, AffinityIsReadEveryTenSeconds) {
  vcpu(0, "0");
  EXPECT_EQ(at(1s), (Reserved{{0, {1000, 0}}}));
  pin(100, "4");
  EXPECT_EQ(at(10s), (Reserved{{0, {1000, 0}}}));
  EXPECT_EQ(at(11s), (Reserved{{1, {1000, 0}}}));
}

TEST_F(Places, AThreadThatCannotBeReadStaysWhereItWasAndIsAnywhereAtFirst) {
  vcpu(0, "4");
  (void)at(1s);
  dir.remove("task/100");
  EXPECT_EQ(at(20s), (Reserved{{1, {1000, 0}}}));
  threads = {{200, 1, 0, 0}};
  EXPECT_EQ(at(21s), (Reserved{{0, {667, 0}}, {1, {333, 0}}}));
}

TEST_F(Places, AHotPluggedVcpuCountsAtOnceAndAnUnpluggedOneNoMore) {
  vcpu(0, "0-3");
  EXPECT_EQ(at(1s).at(0)[0], 1000u);
  vcpu(2, "0-3");
  EXPECT_EQ(at(2s).at(0), (std::vector<std::uint64_t>{1000, 1000}));
  threads.pop_back();
  EXPECT_EQ(at(3s).at(0), (std::vector<std::uint64_t>{1000, 0}));
}

TEST_F(Places, WithoutKnownVcpusNothingIsSaid) {
  threads = {{100, std::nullopt, 0, 0}};
  EXPECT_TRUE(at(1s).empty());
}

}  // namespace
}  // namespace vpowercap
