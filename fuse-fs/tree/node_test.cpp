// SPDX-License-Identifier: Apache-2.0
// The laws of inode numbers.
#include "fuse-fs/tree/node.hpp"

#include <set>

#include <rapidcheck/gtest.h>

namespace vpowercap {
namespace {

const Uuid vm = *Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db1809");
const Uuid other = *Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db180a");
constexpr Node energy{Place::zone(3, EnergyDomain::dram), File::energy_uj};

TEST(NodeIds, AreTheSameInEveryProgramOfEveryVersion) {
  // Kernels hold these numbers over upgrades: a change of any of them is a change of layout.
  EXPECT_EQ(node_id(vm, {}), 0xa44c913399ae0000u);
  EXPECT_EQ(node_id(vm, energy) & 0xffff, ((2 + 3 * 4 + 3) << 6 | 2));
  EXPECT_EQ(node_id(vm, {Place::control_type(), File::directory}) & 0xffff, 1u << 6);
}

TEST(NodeIds, LieAboveTheRootsAndDecodeToWhatTheyWereMadeOf) {
  std::set<NodeId> seen;
  for (std::uint16_t place = 0; place < 2 + 64 * 4; ++place)
    for (std::uint8_t file = 0; file <= static_cast<std::uint8_t>(File::flat_link); ++file) {
      const Node node{{place}, static_cast<File>(file)};
      const auto id = node_id(vm, node);
      EXPECT_GT(id, 0xffffu);
      EXPECT_EQ(node_of(id), node);
      EXPECT_TRUE(seen.insert(id).second);
    }
  EXPECT_EQ(node_of(root_id), std::nullopt);
  EXPECT_EQ(node_of(0), std::nullopt);
  EXPECT_EQ(node_of(node_id(vm, {}) | 63), std::nullopt);
  EXPECT_EQ(node_of(node_id(vm, {}) | 0xffc0), std::nullopt);
}

TEST(NodeIds, LeadToTheirVmAlone) {
  const std::vector<Uuid> known{other, vm, vm};
  EXPECT_EQ(owner_of(node_id(vm, energy), known).value(), vm);
  EXPECT_EQ(owner_of(node_id(other, energy), known).value(), other);
  const std::vector<Uuid> without{other};
  EXPECT_EQ(owner_of(node_id(vm, energy), without).value(), std::nullopt);
}

TEST(NodeIds, SiblingsStayInTheTree) {
  EXPECT_EQ(node_id(node_id(vm, {}), energy), node_id(vm, energy));
}

RC_GTEST_PROP(NodeIds, DifferBetweenVms,
              (std::array<std::uint8_t, 16> a, std::array<std::uint8_t, 16> b)) {
  RC_PRE(a != b);
  RC_ASSERT(node_id(Uuid{a}, energy) != node_id(Uuid{b}, energy));
}

}  // namespace
}  // namespace vpowercap
