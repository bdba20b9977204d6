// SPDX-License-Identifier: Apache-2.0
// The laws of deciding what to bind.
#include "fuse-fs/mount/plan.hpp"

namespace vpowercap {
namespace {

const Uuid a = *Uuid::parse("aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa");
const Uuid b = *Uuid::parse("bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb");
const RunPaths paths{"/run/v"};

MountEntry tree_mount(const std::string& device, const Uuid& uuid, const Uuid& at) {
  return {.device = device,
          .root = "/" + uuid.to_string() + "/intel-rapl",
          .mount_point = bind_path(paths, at),
          .options = "ro",
          .type = fuse_type,
          .source = "vpowercap"};
}

TEST(Plan, MakesAndBindsWhatIsMissing) {
  const auto plan = make_plan({}, paths, "0:5", std::vector{a}, std::vector{b});
  EXPECT_EQ(plan.make, std::vector{a});
  EXPECT_EQ(plan.bind, (std::vector{a, b}));
  EXPECT_TRUE(plan.detach.empty());
}

TEST(Plan, DoesNothingWhereAllIsRight) {
  const MountTable table{tree_mount("0:5", a, a)};
  const auto plan = make_plan(table, paths, "0:5", std::vector{a}, std::vector{a});
  EXPECT_TRUE(plan.make.empty() && plan.bind.empty() && plan.detach.empty());
}

TEST(Plan, ReplacesTreesOfAnotherMountAndOfAnotherVm) {
  for (const auto& wrong : {tree_mount("0:4", a, a), tree_mount("0:5", b, a)}) {
    const auto plan = make_plan({wrong}, paths, "0:5", std::vector{a}, std::vector{a});
    EXPECT_EQ(plan.detach, std::vector{bind_path(paths, a)});
    EXPECT_EQ(plan.bind, std::vector{a});
  }
}

TEST(Plan, TheTopmostMountDecides) {
  const MountTable table{tree_mount("0:5", a, a), tree_mount("0:4", a, a)};
  const auto plan = make_plan(table, paths, "0:5", std::vector{a}, std::vector{a});
  EXPECT_EQ(plan.detach.size(), 1u);
}

TEST(Plan, BindsNothingWithoutAServer) {
  const MountTable table{tree_mount("0:5", a, a)};
  const auto plan = make_plan(table, paths, "", std::vector{a, b}, std::vector{a});
  EXPECT_EQ(plan.make, std::vector{b});
  EXPECT_TRUE(plan.bind.empty());
  EXPECT_EQ(plan.detach.size(), 1u);
}

TEST(Plan, FindsAllItsMountsAndNoOthers) {
  auto view = tree_mount("0:5", a, a);
  view.mount_point = paths.share() + "/" + a.to_string() + "/intel-rapl";
  auto root = view;
  root.mount_point = paths.fs();
  auto foreign = view;
  foreign.type = "tmpfs";
  auto elsewhere = view;
  elsewhere.mount_point = "/run/vault/fs";
  const auto mounts = our_fuse_mounts({root, view, foreign, tree_mount("0:5", a, a), elsewhere}, paths);
  EXPECT_EQ(mounts, (std::vector{bind_path(paths, a), view.mount_point, root.mount_point}));
}

}  // namespace
}  // namespace vpowercap
