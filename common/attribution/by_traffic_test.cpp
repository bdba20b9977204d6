// SPDX-License-Identifier: Apache-2.0
#include "common/attribution/by_traffic.hpp"

#include <rapidcheck/gtest.h>

#include "common/units/wide.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::optional<std::uint64_t>>;

std::vector<std::uint64_t> work_of(const TrafficLoads& loads) {
  std::vector<std::uint64_t> work;
  for (const auto& vm : loads.vms) work.push_back(vm.work);
  return work;
}

TEST(ByTraffic, VmsThatAreCountedGetTheirBytesAndTheOthersShareTheRestByCpuTime) {
  // 1000 bytes in all, 400 of the first VM; the other 600 over 300 ns of the VMs' and 300 ns of the
  // host's.
  const auto loads =
      by_traffic({1000, 8000, 1s}, {{400, 1000, 1s}, {200, 2000, 1s}, {100}}, Bytes{400, {}, {}}, 1000);
  EXPECT_EQ(loads.package.busy, 1000u);
  EXPECT_EQ(loads.package.milli_cpus, 8000u);
  EXPECT_EQ(loads.package.interval, 1s);
  EXPECT_EQ(work_of(loads), (std::vector<std::uint64_t>{400, 200, 100}));
  EXPECT_EQ(loads.vms[1].milli_vcpus, 2000u);
}

TEST(ByTraffic, AVmThatOnlyComputesPaysForNoMemory) {
  const auto loads = by_traffic({1000}, {{900}, {100}}, Bytes{0, 5000}, 5000);
  const auto shares = attribute({{70}, {0}}, loads.package, loads.vms, IdlePolicy::none);
  EXPECT_EQ(shares.vms[0].dynamic.count, 0u);
  EXPECT_EQ(shares.vms[1].dynamic.count, 70u);
}

TEST(ByTraffic, WhenTheCountersDisagreeNobodyGetsLessThanNothing) {
  const auto loads = by_traffic({10}, {{400}, {200}}, Bytes{700, {}}, 500);
  EXPECT_EQ(work_of(loads), (std::vector<std::uint64_t>{700, 0}));
}

TEST(ByTraffic, NoWorkAndNoTrafficIsNoDivisionByZero) {
  EXPECT_EQ(work_of(by_traffic({0}, {{0}, {0}}, Bytes{5, {}}, 5)), (std::vector<std::uint64_t>{5, 0}));
  EXPECT_EQ(work_of(by_traffic({0}, {}, {}, 0)), std::vector<std::uint64_t>{});
}

RC_GTEST_PROP(ByTrafficLaw, TheUncountedNeverGetMoreThanIsLeft, ()) {
  const auto any = rc::gen::arbitrary<std::uint64_t>();
  std::vector<VmLoad> vms(*rc::gen::inRange<std::size_t>(1, 9));
  Bytes bytes;
  const auto all = *any;
  Wide uncounted = 0;
  Wide counted = 0;
  for (auto& vm : vms) {
    vm.work = *any;
    bytes.push_back(*rc::gen::arbitrary<bool>() ? std::optional(*any) : std::nullopt);
  }
  const auto loads = by_traffic({*any}, vms, bytes, all);
  for (std::size_t i = 0; i < vms.size(); ++i) (bytes[i] ? counted : uncounted) += loads.vms[i].work;
  RC_ASSERT(uncounted <= (all > counted ? all - counted : 0));
}

}  // namespace
}  // namespace vpowercap
