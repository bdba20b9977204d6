// SPDX-License-Identifier: Apache-2.0
#include "fuse-fs/mount/in_use.hpp"

#include "tests/support/temp_dir.hpp"
#include "tests/support/test_vm.hpp"

namespace vpowercap {
namespace {

using testing::known_vm;
using testing::unknown_vm;

struct InUse : ::testing::Test {
  testing::TempDir proc;
  std::vector<Uuid> vms{known_vm, unknown_vm};
  [[nodiscard]] std::set<Uuid> named() const { return named_by_processes(proc.path(), vms); }
};

TEST_F(InUse, AVmThatAProcessNamesIsInUse) {
  proc.write("1/cmdline", "init");
  proc.write("20/cmdline", "");
  proc.write("self/cmdline", unknown_vm.to_string());
  EXPECT_EQ(named(), std::set<Uuid>{});
  proc.write("21/cmdline",
             std::string("virtiofsd\0-o\0source=/run/vpowercap/share/", 40) + known_vm.to_string());
  EXPECT_EQ(named(), std::set<Uuid>{known_vm});
}

TEST_F(InUse, AllAreWhereProcessesCannotBeSeen) {
  EXPECT_EQ(named(), (std::set<Uuid>{known_vm, unknown_vm}));
  proc.write("20/cmdline", "qemu");
  EXPECT_EQ(named(), (std::set<Uuid>{known_vm, unknown_vm}));
}

}  // namespace
}  // namespace vpowercap
