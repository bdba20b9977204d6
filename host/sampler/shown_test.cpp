// SPDX-License-Identifier: Apache-2.0
// What a VM's settings let its counters show, while the books stay whole.
#include <cmath>
#include <iterator>
#include <set>

#include "host/sampler/account.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t joule = 1'000'000;
constexpr std::uint64_t second = 1'000'000'000;

/// A package of two CPUs, 10 W when idle, with a VM of two vCPUs on two virtual sockets that owns all
/// of it, and a neighbour that only works.
struct Shown : ::testing::Test {
  Account account{AccountOptions{.idle_uw = {10 * joule}}};
  Nanoseconds now = 1000s;
  std::uint64_t raw = 5;
  VmDescription vm{.uuid = *Uuid::parse("aaaaaaaa-0000-4000-8000-000000000001"),
                   .name = "web",
                   .pid = 7,
                   .pid_start_ticks = 1};
  const Uuid neighbour = *Uuid::parse("bbbbbbbb-0000-4000-8000-000000000001");

  void SetUp() override {
    account.describe_host(Method::rapl, 2, {0});
    vm.topology = {2, 2};
    account.admit({.uuid = neighbour, .name = "other", .pid = 8, .pid_start_ticks = 1}, now);
    account.admit(vm, now);
    tick(0, 0, 0);
  }
  /// `watts` beyond idle power; each of the VM's sockets works for half of `work_ns`.
  void tick(std::uint64_t watts, std::uint64_t work_ns, std::uint64_t other_ns) {
    now += 1s;
    raw += (10 + watts) * joule;
    VmTick ours{.uuid = vm.uuid, .alive = 1s};
    ours.work[0] = {work_ns, {work_ns / 2, work_ns / 2}};
    ours.reserved[0] = {1000, 1000};
    VmTick other{.uuid = neighbour, .alive = 1s};
    other.work[0] = {other_ns, {other_ns}};
    other.reserved[0] = {0};
    const auto problems =
        account.book({now,
                      {{"intel-rapl:0", "package-0", EnergyDomain::package, 0, 262143328850, raw, now}},
                      {{0, work_ns + other_ns}},
                      {},
                      {ours, other}});
    EXPECT_TRUE(problems.empty());
  }
  const VmRecord& record() { return account.vms().at(vm.uuid); }
  std::uint64_t published(std::uint32_t socket) {
    return record().zone(socket, EnergyDomain::package).published_uj;
  }
  std::uint64_t published() { return published(0) + published(1); }
};

TEST_F(Shown, EverythingByDefault) {
  tick(8, second, 0);
  EXPECT_EQ(published(), 18 * joule);
  EXPECT_EQ(record().zone(0, EnergyDomain::package).owed_uj, 0);
}

TEST_F(Shown, HiddenIdleEnergyIsCountedAndComesInNoCounterLater) {
  vm.settings.hides_idle = true;
  account.admit(vm, now);
  tick(8, second, 0);
  EXPECT_EQ(published(), 8 * joule);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 18 * joule);
  vm.settings.hides_idle = false;
  account.admit(vm, now);
  tick(8, second, 0);
  EXPECT_EQ(published(), 26 * joule);
}

TEST_F(Shown, AnotherTopologyAndBackTakesNoCounterBackAndMakesNoneJump) {
  tick(8, second, 0);
  const auto one = published(1);
  vm.settings.topology = TopologyView::single;
  account.admit(vm, now);
  EXPECT_EQ(record().sockets, 1u);
  EXPECT_EQ(published(0), 9 * joule);
  tick(8, second, 0);
  EXPECT_EQ(published(0), 27 * joule);
  vm.settings.topology = TopologyView::guest;
  account.admit(vm, now);
  EXPECT_EQ(published(1), one);
  tick(8, second, 0);
  EXPECT_EQ(published(0), 36 * joule);
  EXPECT_EQ(published(1), one + 9 * joule);
  EXPECT_EQ(record().energy_sum(EnergyDomain::package), 54 * joule);
}

TEST_F(Shown, WhatIsOffGoesOnCounting) {
  vm.settings.is_off = true;
  account.admit(vm, now);
  EXPECT_FALSE(record().shows(EnergyDomain::package));
  tick(8, second, 0);
  vm.settings.is_off = false;
  account.admit(vm, now);
  EXPECT_TRUE(record().shows(EnergyDomain::package));
  EXPECT_EQ(published(), 18 * joule);
}

TEST_F(Shown, AGridOfAMinuteHoldsStillInBetween) {
  vm.settings.grid_ns = 60 * second;
  account.admit(vm, now);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 180; ++i) {
    tick(8, second, 0);
    seen.insert(published());
  }
  EXPECT_EQ(seen.size(), 4u);
  EXPECT_EQ(*seen.rbegin() - *std::prev(seen.end(), 2), 60 * 18 * joule);
}

/// The counter's step in each tick while the neighbour works every other ten seconds and then makes
/// every second of CPU time dearer, as a package does that wakes up or leaves its turbo range.
struct Blind : Shown {
  std::vector<double> steps(int ticks) {
    std::vector<double> all;
    for (int i = 0; i < ticks; ++i) {
      const bool is_on = i / 10 % 2 == 1;
      const auto before = published();
      tick(is_on ? 24 : 8, second, is_on ? second : 0);
      all.push_back(static_cast<double>(published() - before));
    }
    return all;
  }
  static double swing(const std::vector<double>& steps) {
    double on = 0;
    double off = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) (i / 10 % 2 == 1 ? on : off) += steps[i];
    return std::abs(on - off) / (on + off);
  }
};

TEST_F(Blind, ANeighboursWaveIsInAPlainCounterAndNotInABlindOne) {
  EXPECT_GT(swing(steps(400)), 0.05);
  vm.settings.blind_seconds = 300;
  account.admit(vm, now);
  (void)steps(1200);
  EXPECT_LT(swing(steps(400)), 0.002);
}

TEST_F(Blind, ItsOwnWorkIsSeenAtOnce) {
  vm.settings.blind_seconds = 300;
  account.admit(vm, now);
  for (int i = 0; i < 600; ++i) tick(8, second, 0);
  auto before = published();
  tick(4, second / 2, 0);
  EXPECT_NEAR(static_cast<double>(published() - before), 14.0 * joule, 0.2 * joule);
}

TEST_F(Blind, OverHoursItCountsEveryJoule) {
  vm.settings.blind_seconds = 60;
  account.admit(vm, now);
  (void)steps(4000);
  for (int i = 0; i < 1200; ++i) tick(8, second, 0);
  const auto all = record().energy_sum(EnergyDomain::package);
  EXPECT_NEAR(static_cast<double>(published()), static_cast<double>(all), 1e-6 * all);
}

TEST_F(Blind, WhenTheVmEndsTheCounterTakesUpWhatItOwes) {
  vm.settings.blind_seconds = 3600;
  account.admit(vm, now);
  for (int i = 0; i < 100; ++i) tick(8, second, 0);
  for (int i = 0; i < 100; ++i) tick(16, second, 0);
  EXPECT_LT(published() + 10 * joule, record().energy_sum(EnergyDomain::package));
  account.stop(vm.uuid, now);
  EXPECT_EQ(published() / 1000, record().energy_sum(EnergyDomain::package) / 1000);
}

TEST_F(Blind, TurnedOffAgainItOwesNothing) {
  vm.settings.blind_seconds = 3600;
  account.admit(vm, now);
  for (int i = 0; i < 100; ++i) tick(8 + i % 9, second, 0);
  vm.settings.blind_seconds = 0;
  account.admit(vm, now);
  tick(8, second, 0);
  EXPECT_LE(record().zone(0, EnergyDomain::package).owed_uj, 0);
}

}  // namespace
}  // namespace vpowercap
