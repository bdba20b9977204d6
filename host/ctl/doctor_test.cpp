// SPDX-License-Identifier: Apache-2.0
#include "host/ctl/doctor.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

/// A host where all is well, with one VM.
struct Doctor : ::testing::Test {
  HostFacts facts;
  VmRecord vm;

  void SetUp() override {
    vm.uuid = *Uuid::parse("aaaaaaaa-0000-4000-8000-000000000001");
    vm.name.assign("web");
    vm.state = VmState::running;
    LedgerView view;
    view.host.zone_count = 2;
    view.vms = {vm};
    facts.ledger = view;
    const auto bound = facts.paths.share_rw() + "/" + vm.uuid.to_string() + "/intel-rapl";
    facts.mounts = {
        {.device = "0:50", .mount_point = facts.paths.fs(), .options = "ro", .type = "fuse.vpowercap"},
        {.device = "0:51", .mount_point = facts.paths.share(), .options = "ro", .type = "tmpfs"},
        {.device = "0:50", .mount_point = bound, .options = "ro", .type = "fuse.vpowercap"}};
    facts.virtiofsd = {{"/usr/lib/qemu/virtiofsd", "--fd=24", "-o",
                        "source=" + facts.paths.source(vm.uuid) + ",cache=none"}};
    facts.hook_installed = 1000;
    facts.libvirtd_started = 2000;
  }
  /// Subjects and sentences of what is not well.
  [[nodiscard]] std::vector<std::string> problems() const {
    std::vector<std::string> all;
    for (const auto& one : diagnose(facts))
      if (!one.is_well) all.push_back(one.subject + ": " + one.sentence);
    return all;
  }
  void expect_one(const std::string& part) const {
    const auto all = problems();
    ASSERT_EQ(all.size(), 1u);
    EXPECT_NE(all[0].find(part), std::string::npos) << all[0];
  }
};

TEST_F(Doctor, FindsNothingWhereAllIsWell) {
  EXPECT_TRUE(problems().empty()) << problems().front();
  EXPECT_EQ(diagnose(facts).size(), 4u);
}

TEST_F(Doctor, KnowsTheDaemonIsSilentOrAway) {
  facts.ledger->is_stale = true;
  facts.ledger->age = std::chrono::seconds(90);
  expect_one("daemon: vpowercapd has been silent for 90 s");
  facts.ledger = fail(ENOENT, "cannot open the ledger");
  expect_one("does vpowercapd run?");
}

TEST_F(Doctor, KnowsALostMountAndAWritableShare) {
  facts.mounts[1].options = "rw";
  expect_one("can be written");
  facts.mounts.erase(facts.mounts.begin());
  expect_one("/run/vpowercap/fs is not mounted");
}

TEST_F(Doctor, KnowsATreeThatIsBoundToAnEarlierMount) {
  facts.mounts[2].device = "0:49";
  expect_one("web: its tree is not bound");
}

TEST_F(Doctor, KnowsAVirtiofsdThatCaches) {
  facts.virtiofsd[0].back() = "source=" + facts.paths.source(vm.uuid) + ",cache=auto";
  expect_one("web: its virtiofsd caches");
  facts.virtiofsd[0] = {"virtiofsd", "--shared-dir", facts.paths.source(vm.uuid)};
  expect_one("web: its virtiofsd caches");
  facts.virtiofsd[0].emplace_back("--cache=never");
  EXPECT_TRUE(problems().empty());
}

TEST_F(Doctor, KnowsAVmThatNobodyServes) {
  facts.virtiofsd[0].back() += "0";
  facts.virtiofsd.push_back({"virtiofsd", "-o", "source=/srv/other,cache=none"});
  facts.virtiofsd.erase(facts.virtiofsd.begin());
  expect_one("web: no virtiofsd serves its share");
}

TEST_F(Doctor, KnowsAHookThatLibvirtdHasNotSeen) {
  facts.libvirtd_started = 997;
  expect_one("hook: libvirt's hook is newer than libvirtd");
  facts.hook_installed.reset();
  expect_one("hook: libvirt's hook is not installed");
}

TEST_F(Doctor, KnowsALimitOfTheKernelOnRequests) {
  facts.request_timeouts = "fs.fuse.max_request_timeout is 20";
  expect_one("kernel: fs.fuse.max_request_timeout is 20");
}

TEST_F(Doctor, ItsJsonIsValidWhateverAVmIsCalled) {
  facts.ledger->vms[0].name.assign("\x1b[31m\xff");
  const auto json = nlohmann::json::parse(doctor_json(diagnose(facts)));
  EXPECT_EQ(json.size(), 4u);
  EXPECT_TRUE(json[3]["ok"]);
}

TEST(DoctorFacts, AreReadFromProcAndTheHooksFile) {
  testing::TempDir dir;
  const auto process = [&](const std::string& pid, const std::string& comm, std::string cmdline,
                           long start_ticks) {
    std::string stat = pid + " (" + comm + ") S";
    for (int field = 4; field <= 52; ++field)
      stat += field == 22 ? " " + std::to_string(start_ticks) : " 0";
    dir.write("proc/" + pid + "/comm", comm + "\n");
    dir.write("proc/" + pid + "/cmdline", cmdline);
    dir.write("proc/" + pid + "/stat", stat + "\n");
  };
  dir.write("proc/stat", "cpu 0 0 0 0\nbtime 1700000000\nprocesses 1\n");
  const auto tick = ::sysconf(_SC_CLK_TCK);
  process("40", "libvirtd", std::string("libvirtd\0", 9), 50 * tick);
  process("41", "virtiofsd", std::string("virtiofsd\0--fd=3\0", 17), 60 * tick);
  dir.write("proc/self", "");
  dir.write("proc/sys/fs/fuse/max_request_timeout", "20\n");
  const auto facts = gather_facts({{dir.path("run")}, dir.path("proc"), dir.path("hook")});
  EXPECT_EQ(facts.libvirtd_started, 1700000050);
  EXPECT_EQ(facts.virtiofsd, (std::vector<std::vector<std::string>>{{"virtiofsd", "--fd=3"}}));
  EXPECT_NE(facts.request_timeouts.find("max_request_timeout is 20"), std::string::npos);
  EXPECT_FALSE(facts.hook_installed);
  EXPECT_FALSE(facts.ledger);

  // No time is added to what is none.
  dir.write("proc/stat", "cpu 0 0 0 0\nbtime 9223372036854775807\n");
  EXPECT_EQ(gather_facts({{dir.path("run")}, dir.path("proc"), ""}).libvirtd_started, 50);
}

}  // namespace
}  // namespace vpowercap
