// SPDX-License-Identifier: Apache-2.0
#include "host/hypervisor/vm_list.hpp"

#include "host/hypervisor/fake_qemu.hpp"

namespace vpowercap {
namespace {

using std::chrono::seconds;

struct ListOfVms : ::testing::Test {
  FakeHost host;
  VmList list{{host.pid_dir, host.proc_root}, {}};
  Uuid a = *Uuid::parse(uuid_a);
  Uuid b = *Uuid::parse(uuid_b);
  Nanoseconds now = seconds(1000);

  /// One look: what libvirt lists, with the XML of each.
  std::vector<VmDescription> look(const std::vector<std::pair<Uuid, Result<std::string>>>& domains) {
    list.begin(now);
    for (const auto& [uuid, xml] : domains) list.add(uuid, xml);
    return list.finish();
  }
  void run(int pid, const char* uuid, const std::string& name) const {
    host.start_process(pid, uuid, 5);
    host.write_pid(name, std::to_string(pid));
  }
};

TEST_F(ListOfVms, HoldsEveryRunningVmWithItsProcess) {
  run(10, uuid_a, "web");
  run(11, uuid_b, "-rf");
  const auto vms =
      look({{a, FakeHost::xml(uuid_a, "web", "<vcpu>2</vcpu>")}, {b, FakeHost::xml(uuid_b, "-rf")}});
  ASSERT_EQ(vms.size(), 2u);
  EXPECT_EQ(vms[0].uuid, a);
  EXPECT_EQ(vms[0].pid, 10);
  EXPECT_EQ(vms[0].state, VmState::running);
  EXPECT_EQ(vms[0].topology.vcpus, 2u);
  EXPECT_EQ(vms[1].pid, 11);
  EXPECT_TRUE(list.take_problems().empty());
}

TEST_F(ListOfVms, AVmWhoseProcessIsYetToComeIsStartingAndOnlyLateAProblem) {
  const Result<std::string> xml = FakeHost::xml(uuid_a, "web");
  auto vms = look({{a, xml}});
  ASSERT_EQ(vms.size(), 1u);
  EXPECT_EQ(vms[0].state, VmState::starting);
  EXPECT_EQ(vms[0].pid, 0);
  EXPECT_TRUE(list.take_problems().empty());
  for (int i = 0; i < 3; ++i) {
    now += VmList::start_grace;
    EXPECT_EQ(look({{a, xml}}).size(), 1u);
    EXPECT_EQ(list.take_problems().size(), i == 0 ? 1u : 0u) << "once for as long as it lasts";
  }
  run(10, uuid_a, "web");
  EXPECT_EQ(look({{a, xml}})[0].state, VmState::running);
}

TEST_F(ListOfVms, ADomainThatIsGoneIsSkippedQuietly) {
  run(10, uuid_a, "web");
  EXPECT_TRUE(look({{a, fail(ENOENT, "gone")}}).empty());
  EXPECT_TRUE(list.take_problems().empty());
}

TEST_F(ListOfVms, AProcessThatEndedTakesItsVmAlong) {
  run(10, uuid_a, "web");
  const Result<std::string> xml = FakeHost::xml(uuid_a, "web");
  ASSERT_EQ(look({{a, xml}}).size(), 1u);
  host.end_process(10);
  EXPECT_TRUE(look({{a, xml}}).empty());
  host.start_process(10, uuid_b, 6);  // the PID is used again
  EXPECT_EQ(look({{a, xml}}).at(0).pid, 0);
}

TEST_F(ListOfVms, AFailedReadLeavesAVmAsItWas) {
  run(10, uuid_a, "web");
  ASSERT_EQ(look({{a, FakeHost::xml(uuid_a, "web")}}).size(), 1u);
  auto vms = look({{a, fail(EIO, "cannot read a domain's XML: timed out")}});
  ASSERT_EQ(vms.size(), 1u);
  EXPECT_EQ(vms[0].pid, 10);
  EXPECT_EQ(list.take_problems().size(), 1u);
  host.dir.remove("pids/web.pid");
  vms = look({{a, FakeHost::xml(uuid_a, "web")}});
  ASSERT_EQ(vms.size(), 1u);
  EXPECT_EQ(vms[0].pid, 10);
  EXPECT_EQ(vms[0].state, VmState::running);
}

TEST_F(ListOfVms, BrokenMetadataIsToldOnceAndCostsNothing) {
  run(10, uuid_a, "web");
  const Result<std::string> xml = FakeHost::xml(
      uuid_a, "web", "<metadata><vm xmlns='urn:vpowercap:domain:1' mode='7'/></metadata>");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(look({{a, xml}}).size(), 1u);
  const auto problems = list.take_problems();
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].message.find(uuid_a), std::string::npos);
  EXPECT_NE(problems[0].message.find("mode"), std::string::npos);
}

TEST_F(ListOfVms, OfEverNewOdditiesOfAVmFewAreToldAMinuteAndNoneThatLastsIsForgotten) {
  run(10, uuid_a, "web");
  const auto look_at_mode = [&](int mode) {
    look({{a, FakeHost::xml(uuid_a, "web",
                            "<metadata><vm xmlns='urn:vpowercap:domain:1' mode='" +
                                std::to_string(mode) + "'/></metadata>")}});
    return list.take_problems();
  };
  int told = 0;
  for (int i = 0; i < 1000; ++i) told += static_cast<int>(look_at_mode(i + 1000).size());
  EXPECT_EQ(told, VmList::most_tellings);
  EXPECT_TRUE(look_at_mode(7).empty());
  now += VmList::telling_period;
  const auto problems = look_at_mode(7);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].key, uuid_a);
  EXPECT_TRUE(look_at_mode(7).empty());
}

TEST_F(ListOfVms, AnImpossibleNameIsToldOnceAndSkipped) {
  const Result<std::string> xml = FakeHost::xml(uuid_a, "../web");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(look({{a, xml}}).empty());
  EXPECT_EQ(list.take_problems().size(), 1u);
}

TEST_F(ListOfVms, MalformedXmlIsToldAndSkipped) {
  run(11, uuid_b, "b");
  EXPECT_EQ(look({{a, std::string("<domain>")}, {b, FakeHost::xml(uuid_b, "b")}}).size(), 1u);
  EXPECT_EQ(list.take_problems().size(), 1u);
}

}  // namespace
}  // namespace vpowercap
