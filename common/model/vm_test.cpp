// SPDX-License-Identifier: Apache-2.0
#include "common/model/vm.hpp"

namespace vpowercap {
namespace {

TEST(VmTopology, NumbersVcpusSocketBySocket) {
  const VmTopology two{8, 2};
  EXPECT_EQ(two.socket_of(0), 0u);
  EXPECT_EQ(two.socket_of(3), 0u);
  EXPECT_EQ(two.socket_of(4), 1u);
  EXPECT_EQ(two.socket_of(99), 1u);
}

TEST(VmTopology, ViewDecidesTheZones) {
  const VmTopology two{8, 2};
  EXPECT_EQ(two.zones(TopologyView::guest, 4), 2u);
  EXPECT_EQ(two.zones(TopologyView::host, 4), 4u);
  EXPECT_EQ(two.zones(TopologyView::single, 4), 1u);
  EXPECT_EQ((VmTopology{128, 128}.zones(TopologyView::guest, 1)), 1u);
}

TEST(VmTopology, HasNoZoneBeyondTheLastSocketWithAVcpu) {
  const VmTopology part{.vcpus = 4, .sockets = 4, .current = 2, .plugged_sockets = 2};
  EXPECT_EQ(part.zones(TopologyView::guest, 1), 2u);
  EXPECT_EQ(part.zones(TopologyView::host, 1), 1u);
  EXPECT_EQ(part.socket_of(3), 3u) << "hot-plug moves no vCPU to another socket";
}

TEST(IdlePolicy, RoundTripsItsNames) {
  for (const auto policy :
       {IdlePolicy::reserved, IdlePolicy::usage, IdlePolicy::equal, IdlePolicy::none})
    EXPECT_EQ(parse_idle_policy(to_string(policy)), policy);
  EXPECT_FALSE(parse_idle_policy("fair"));
}

}  // namespace
}  // namespace vpowercap
