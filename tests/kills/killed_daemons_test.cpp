// SPDX-License-Identifier: Apache-2.0
// The real daemon is killed at random instants and at steps of its ledger's writer, under readers of
// the ledger and of the mounted tree. VPOWERCAP_KILLS sets how many, VPOWERCAP_SEED when.
#include <random>

#include "tests/kills/daemon_under_readers.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
using testing::CountingTree;
using testing::eventually;
using testing::setting;
using testing::uuid_of;

class KilledDaemons : public testing::DaemonUnderReaders {
 protected:
  /// No VM's time is over before the test is.
  KilledDaemons() { options_ = {"--keep-stopped", "86400"}; }

  /// Kills the daemon at some instant of its first ticks.
  void kill_at_random() {
    start_daemon(VPOWERCAPD);
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % 300'000));
    ASSERT_FALSE(daemon_.reap()) << "the daemon ended by itself";
    ::kill(daemon_.pid(), SIGKILL);
    ASSERT_TRUE(eventually([&] { return daemon_.reap().has_value(); }));
    ++kills_;
  }
  /// Lets a daemon live until the last VM has its record, if those before died too early on a slow
  /// machine.
  void let_last_vm_be_seen() {
    if (find(uuid_of(vms_))) return;
    start_daemon(VPOWERCAPD);
    ASSERT_TRUE(eventually([&] { return find(uuid_of(vms_)); }));
    daemon_.end(0s);
  }
  /// Lets the daemon die before some step of its first ticks, which have one for each word of a record.
  void die_at_step() {
    const auto in_a_tick = (sizeof(HostRecord) + (1 + vms_) * sizeof(VmRecord)) / sizeof(std::uint64_t);
    const auto step = 1 + random_() % (2 * in_a_tick);
    ::setenv("VPOWERCAP_DIE_AT_STEP", std::to_string(step).c_str(), 1);
    start_daemon(VPOWERCAPD_WITH_FAIL_POINTS);
    ::unsetenv("VPOWERCAP_DIE_AT_STEP");
    std::optional<Ending> ending;
    ASSERT_TRUE(eventually([&] { return (ending = daemon_.reap()).has_value(); }));
    ASSERT_EQ(ending->signal, SIGKILL) << ending->text();
    ++kills_;
    ++steps_;
  }
  /// Every microjoule that the tree counted is with a VM or with the host.
  void expect_all_counted() {
    std::int64_t difference = 0;
    std::uint64_t drawn = 0, gaps = 0, across = 0;
    for (std::size_t i = 0; i < CountingTree::zones; ++i) {
      const auto& zone = kept_.host().zones[i];
      EXPECT_EQ(zone.id.view(), host_->tree().id(i));
      EXPECT_EQ(kept_.divided_uj(i), host_->tree().drawn_uj(i)) << host_->tree().id(i);
      EXPECT_LT(zone.remainder_uj, kept_.divided_uj(i)) << "no VM got anything";
      EXPECT_EQ(zone.lost_ns, 0u) << host_->tree().id(i);
      difference += static_cast<std::int64_t>(kept_.divided_uj(i)) -
                    static_cast<std::int64_t>(host_->tree().drawn_uj(i));
      drawn += host_->tree().drawn_uj(i);
      gaps += zone.gaps;
      across += zone.across_gap_uj;
    }
    std::cout << drawn << " µJ drawn by " << CountingTree::zones << " zones, divided over "
              << kept_.vms_seen() << " VMs and the host: conservation difference " << difference
              << " µJ; " << gaps << " gaps, " << across << " µJ across them\n";
    EXPECT_GT(gaps, 0u) << "a daemon that is away for more than 1.5 ticks is one";
    EXPECT_GT(across, 0u);
  }
  /// No VM has lost its record, and none has come back with another.
  void expect_no_vm_forgotten() {
    for (const auto* laws : {&kept_, &fresh_}) {
      EXPECT_EQ(laws->vms_gone(), 0u);
      EXPECT_EQ(laws->vms_back(), 0u);
    }
    EXPECT_EQ(kept_.vms_seen(), 1 + vms_) << "each, and the one that was there from the first on";
  }

  std::mt19937_64 random_{setting("VPOWERCAP_SEED", 1)};
  std::uint64_t kills_ = 0, steps_ = 0, vms_ = 0;
};

TEST_F(KilledDaemons, CostNoReadAndNoMicrojoule) {
  const auto kills = setting("VPOWERCAP_KILLS", 20);
  daemon_.end(0s);
  host_->tree().start();
  start_readers();
  for (std::uint64_t round = 0; round < kills; ++round) {
    if (round % std::max<std::uint64_t>(5, kills / 40) == 0) {
      if (vms_ != 0) let_last_vm_be_seen();
      if (vms_ != 0) host_->end_vm(uuid_of(vms_));
      host_->start_vm(uuid_of(++vms_));
    }
    round % 2 == 0 ? kill_at_random() : die_at_step();
    if (HasFatalFailure()) return;
  }
  host_->tree().stop();
  start_daemon(VPOWERCAPD);
  const auto before = ticks();
  ASSERT_TRUE(eventually([&] { return ticks() > before + 2 && find(uuid_of(vms_)); }));
  daemon_.end(0s);
  stop_readers();
  const auto ledger = LedgerReader::open(paths_.ledger());
  ASSERT_TRUE(ledger) << ledger.error().message;
  kept_.look(*ledger);
  std::cout << kills_ << " kills, " << steps_ << " of them at fail points\n";
  expect_nothing_seen();
  expect_all_counted();
  expect_no_vm_forgotten();
}

}  // namespace
}  // namespace vpowercap
