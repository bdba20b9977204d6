// SPDX-License-Identifier: Apache-2.0
#include "tests/kills/ledger_laws.hpp"

#include "common/ledger/writer.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_vm.hpp"

namespace vpowercap {
namespace {

VmRecord vm_with(std::uint64_t energy_uj) {
  VmRecord vm;
  vm.uuid = testing::known_vm;
  vm.state = VmState::running;
  vm.sockets = 1;
  vm.domain_mask = 1;
  vm.zone(0, EnergyDomain::package).dynamic_uj = energy_uj;
  return vm;
}

TEST(LedgerLaws, SeeAVmThatWasGoneAndIsBackWithLess) {
  const testing::TempDir dir;
  for (const std::uint64_t returns_with : {40, 41}) {
    dir.remove("ledger");
    auto writer = LedgerWriter::open({.path = dir.path("ledger"), .group = ""});
    ASSERT_TRUE(writer) << writer.error().message;
    HostRecord host{.zone_count = 1};
    host.zones[0].energy_uj = 41;
    writer->store_host(host);
    const auto reader = LedgerReader::open(dir.path("ledger"));
    testing::LedgerLaws laws;
    ASSERT_TRUE(writer->store_vm(vm_with(41)));
    laws.look(*reader);
    writer->drop_vm(testing::known_vm);
    laws.look(*reader);
    EXPECT_EQ(laws.vms_gone(), 1u);
    EXPECT_EQ(laws.decreasing() + laws.unbalanced(), 0u);
    ASSERT_TRUE(writer->store_vm(vm_with(returns_with)));
    laws.look(*reader);
    EXPECT_EQ(laws.vms_gone(), 0u);
    EXPECT_EQ(laws.vms_back(), 1u);
    EXPECT_EQ(laws.decreasing(), returns_with < 41 ? 1u : 0u);
    EXPECT_EQ(laws.unbalanced(), returns_with < 41 ? 1u : 0u);
  }
}

}  // namespace
}  // namespace vpowercap
