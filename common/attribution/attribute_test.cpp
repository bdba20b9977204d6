// SPDX-License-Identifier: Apache-2.0
#include "common/attribution/attribute.hpp"

#include <rapidcheck/gtest.h>

#include <algorithm>

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr PackageLoad second_of_four_cpus{2'000'000'000, 4000, 1s};

TEST(Attribute, DynamicFollowsWorkAndTheHostKeepsItsOwn) {
  const std::vector<VmLoad> vms{{1'000'000'000, 1000, 1s}, {500'000'000, 1000, 1s}};
  const auto result = attribute({{40'000'000}, {0}}, second_of_four_cpus, vms, IdlePolicy::none);
  EXPECT_EQ(result.vms[0].dynamic.count, 20'000'000u);
  EXPECT_EQ(result.vms[1].dynamic.count, 10'000'000u);
  EXPECT_EQ(result.remainder.dynamic.count, 10'000'000u);
}

TEST(Attribute, IdlePoliciesDivideAsTheySay) {
  const std::vector<VmLoad> vms{{1'500'000'000, 1000, 1s}, {0, 2000, 1s}};
  const auto idle_of = [&](IdlePolicy policy) {
    const auto result = attribute({{8'000'000}, {8'000'000}}, second_of_four_cpus, vms, policy);
    return std::vector<std::uint64_t>{result.vms[0].idle.count, result.vms[1].idle.count,
                                      result.remainder.idle.count};
  };
  EXPECT_EQ(idle_of(IdlePolicy::reserved),
            (std::vector<std::uint64_t>{2'000'000, 4'000'000, 2'000'000}));
  EXPECT_EQ(idle_of(IdlePolicy::usage), (std::vector<std::uint64_t>{6'000'000, 0, 2'000'000}));
  EXPECT_EQ(idle_of(IdlePolicy::equal), (std::vector<std::uint64_t>{4'000'000, 4'000'000, 0}));
  EXPECT_EQ(idle_of(IdlePolicy::none), (std::vector<std::uint64_t>{0, 0, 8'000'000}));
}

TEST(Attribute, ReservedIsScaledToOneWhenOvercommitted) {
  const std::vector<VmLoad> vms{{0, 6000, 1s}, {0, 2000, 1s}};
  const auto result =
      attribute({{8'000'000}, {8'000'000}}, second_of_four_cpus, vms, IdlePolicy::reserved);
  EXPECT_EQ(result.vms[0].idle.count, 6'000'000u);
  EXPECT_EQ(result.vms[1].idle.count, 2'000'000u);
  EXPECT_EQ(result.remainder.idle.count, 0u);
}

TEST(Attribute, AVmAliveForHalfATickPaysHalfTheIdleShare) {
  const std::vector<VmLoad> vms{{0, 1000, 500ms}};
  for (const auto policy : {IdlePolicy::reserved, IdlePolicy::equal}) {
    const auto half = attribute({{8'000'000}, {8'000'000}}, second_of_four_cpus, vms, policy);
    const std::vector<VmLoad> whole_vms{{0, 1000, 1s}};
    const auto whole = attribute({{8'000'000}, {8'000'000}}, second_of_four_cpus, whole_vms, policy);
    EXPECT_EQ(half.vms[0].idle.count * 2, whole.vms[0].idle.count);
  }
}

RC_GTEST_PROP(Attribute, NothingIsLostOrMade,
              (std::uint64_t delta, std::uint64_t idle, std::uint64_t busy)) {
  const auto policy =
      *rc::gen::element(IdlePolicy::reserved, IdlePolicy::usage, IdlePolicy::equal, IdlePolicy::none);
  const auto count = *rc::gen::inRange(0, 12);
  std::vector<VmLoad> vms;
  for (int i = 0; i < count; ++i)
    vms.push_back({*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::inRange(0u, 300'000u),
                   Nanoseconds(*rc::gen::inRange<std::int64_t>(0, 3'000'000'000))});
  const PackageLoad package{busy, *rc::gen::inRange(1u, 500'000u),
                            Nanoseconds(*rc::gen::inRange<std::int64_t>(0, 2'000'000'000))};
  const auto result = attribute({{delta}, {idle}}, package, vms, policy);
  auto idle_sum = result.remainder.idle;
  auto dynamic_sum = result.remainder.dynamic;
  for (const auto& share : result.vms) {
    idle_sum += share.idle;
    dynamic_sum += share.dynamic;
  }
  RC_ASSERT(idle_sum.count == std::min(idle, delta));
  RC_ASSERT(dynamic_sum.count == delta - std::min(idle, delta));
}

RC_GTEST_PROP(Attribute, OrderOfVmsChangesNoShareByMoreThanOneMicrojoule, (std::uint32_t delta)) {
  std::vector<VmLoad> vms;
  for (int i = 0; i < 5; ++i)
    vms.push_back({*rc::gen::inRange<std::uint64_t>(0, 1'000'000'000), 1000, 1s});
  auto reversed = vms;
  std::reverse(reversed.begin(), reversed.end());
  const auto there = attribute({{delta}, {0}}, second_of_four_cpus, vms, IdlePolicy::none);
  const auto back = attribute({{delta}, {0}}, second_of_four_cpus, reversed, IdlePolicy::none);
  for (std::size_t i = 0; i < vms.size(); ++i) {
    const auto a = there.vms[i].dynamic.count;
    const auto b = back.vms[vms.size() - 1 - i].dynamic.count;
    RC_ASSERT((a > b ? a - b : b - a) <= 1);
  }
}

TEST(Attribute, WhoMayNotRunOnThePackageOwesNothingOfItsIdlePower) {
  const std::vector<VmLoad> vms{{0, 0, 1s}, {0, 500, 1s}};
  const auto reserved =
      attribute({{8'000'000}, {8'000'000}}, second_of_four_cpus, vms, IdlePolicy::reserved);
  EXPECT_EQ(reserved.vms[0].idle.count, 0u);
  EXPECT_EQ(reserved.vms[1].idle.count, 1'000'000u);
  const auto equal = attribute({{8'000'000}, {8'000'000}}, second_of_four_cpus, vms, IdlePolicy::equal);
  EXPECT_EQ(equal.vms[0].idle.count, 0u);
  EXPECT_EQ(equal.vms[1].idle.count, 8'000'000u);
}

RC_GTEST_PROP(Attribute, AReservedIdleShareIsTheSameWhateverTheNeighboursDo, (std::uint64_t delta)) {
  const auto count = *rc::gen::inRange(1, 12);
  std::vector<VmLoad> vms;
  for (int i = 0; i < count; ++i)
    vms.push_back({*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::inRange(0u, 9'000u),
                   Nanoseconds(*rc::gen::inRange<std::int64_t>(0, 1'000'000'000))});
  const ZoneEnergy energy{{delta}, {delta / 2}};
  const auto busy_as = [&](std::uint64_t busy) {
    return attribute(energy, {busy, 16'000, 1s}, vms, IdlePolicy::reserved);
  };
  const auto before = busy_as(*rc::gen::arbitrary<std::uint64_t>());
  for (auto& vm : vms) vm.work = *rc::gen::arbitrary<std::uint64_t>();
  const auto after = busy_as(*rc::gen::arbitrary<std::uint64_t>());
  for (std::size_t i = 0; i < vms.size(); ++i)
    RC_ASSERT(before.vms[i].idle.count == after.vms[i].idle.count);
}

TEST(SpreadOverSockets, DynamicByWorkIdleByTheVcpusOfTheSocket) {
  const std::vector<std::uint64_t> work{300, 100};
  const std::vector<std::uint64_t> vcpus{2000, 6000};
  const auto shares = spread_over_sockets({{16}, {40}}, work, vcpus);
  EXPECT_EQ(shares[0].dynamic.count, 30u);
  EXPECT_EQ(shares[1].dynamic.count, 10u);
  EXPECT_EQ(shares[0].idle.count, 4u);
  EXPECT_EQ(shares[1].idle.count, 12u);
}

TEST(SpreadOverSockets, WithoutWorkDynamicGoesAsIdle) {
  const std::vector<std::uint64_t> none{0, 0};
  const std::vector<std::uint64_t> vcpus{0, 2000};
  EXPECT_EQ(spread_over_sockets({{0}, {41}}, none, vcpus)[1].dynamic.count, 41u);
}

TEST(SpreadOverSockets, WithoutVcpusEvenly) {
  const std::vector<std::uint64_t> none{0, 0};
  const auto shares = spread_over_sockets({{10}, {41}}, none, none);
  EXPECT_EQ(shares[0].dynamic.count, 21u);
  EXPECT_EQ(shares[1].dynamic.count, 20u);
  EXPECT_EQ(shares[0].idle.count, 5u);
}

}  // namespace
}  // namespace vpowercap
