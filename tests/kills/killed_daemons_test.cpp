// SPDX-License-Identifier: Apache-2.0
// The real daemon is killed at random instants and at steps of its ledger's writer, under readers of
// the ledger and of the mounted tree. VPOWERCAP_KILLS sets how many, VPOWERCAP_SEED when.
#include <atomic>
#include <cstring>
#include <iostream>
#include <random>

#include "common/ledger/reader.hpp"
#include "tests/kills/daemon_host.hpp"
#include "tests/kills/ledger_laws.hpp"
#include "tests/support/mount_program.hpp"
#include "tests/support/tree_readers.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
using testing::CountingTree;
using testing::eventually;
using testing::LedgerLaws;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

Uuid uuid_of(std::uint64_t number) {
  Uuid uuid = testing::known_vm;
  std::memcpy(uuid.bytes.data(), &number, sizeof number);
  return uuid;
}

class KilledDaemons : public testing::MountProgram {
 protected:
  void SetUp() override {
    MountProgram::SetUp();
    if (IsSkipped()) return;
    writer_.reset();  // the daemon makes its own ledger
    ::unlink(paths_.ledger().c_str());
    host_ = std::make_unique<testing::DaemonHost>(dir_->path() + "/host", VPOWERCAP_FAKE_QEMU);
    host_->start_vm(vm_);
    start_daemon(VPOWERCAPD);
    ASSERT_TRUE(eventually([&] { return ticks() > 1 && find(vm_); })) << "the daemon shows no VM";
    start();
    ASSERT_TRUE(eventually([&] { return read(vm_, testing::energy_file).ends_with('\n'); }))
        << read(vm_, testing::energy_file);
    tree_readers_ = std::make_unique<testing::TreeReaders>(paths_.source(vm_), 1ms);
    ASSERT_GT(tree_readers_->entries(), 10);
  }
  void TearDown() override {
    stop_ = true;
    ledger_readers_.clear();
    tree_readers_.reset();
    daemon_.end(0s);
    MountProgram::TearDown();
    host_.reset();
  }

  void start_daemon(const char* program) {
    const auto started =
        daemon_.start_program(host_->command(program, paths_.run_dir), {}, Nanoseconds(0));
    ASSERT_TRUE(started) << started.error().message;
  }
  /// Kills the daemon at some instant of its first ticks.
  void kill_at_random() {
    start_daemon(VPOWERCAPD);
    std::this_thread::sleep_for(std::chrono::microseconds(random_() % 300'000));
    ASSERT_FALSE(daemon_.reap()) << "the daemon ended by itself";
    ::kill(daemon_.pid(), SIGKILL);
    ASSERT_TRUE(eventually([&] { return daemon_.reap().has_value(); }));
    ++kills_;
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

  [[nodiscard]] std::uint64_t ticks() const {
    const auto ledger = LedgerReader::open(paths_.ledger());
    const auto host = ledger ? ledger->host() : std::nullopt;
    return host ? host->tick : 0;
  }
  [[nodiscard]] bool find(const Uuid& uuid) const {
    const auto ledger = LedgerReader::open(paths_.ledger());
    return ledger && ledger->find(uuid);
  }

  /// One keeps its mapping, the other opens the ledger each time.
  void read_ledger(LedgerLaws& laws, bool keeps) {
    auto ledger = LedgerReader::open(paths_.ledger());
    while (!stop_) {
      if (!keeps) ledger = LedgerReader::open(paths_.ledger());
      if (ledger) laws.look(*ledger);
      else ++open_errors_;
      std::this_thread::sleep_for(1ms);
    }
  }
  void start_readers() {
    tree_readers_->start();
    ledger_readers_.emplace_back([this] { read_ledger(kept_, true); });
    ledger_readers_.emplace_back([this] { read_ledger(fresh_, false); });
  }
  void stop_readers() {
    stop_ = true;
    ledger_readers_.clear();
    tree_readers_->stop();
  }

  void expect_nothing_seen() {
    const auto& tree = tree_readers_->seen();
    const auto looks = kept_.looks() + fresh_.looks();
    const auto errors = kept_.errors() + fresh_.errors() + open_errors_;
    const auto decreasing = kept_.decreasing() + fresh_.decreasing();
    const auto unbalanced = kept_.unbalanced() + fresh_.unbalanced();
    std::cout << looks << " reads of the ledger: " << errors << " errors, " << decreasing
              << " decreasing, " << unbalanced << " unbalanced\n"
              << tree.reads << " reads of the tree: " << tree.errors << " errors, " << tree.cut_off
              << " cut off, " << tree.decreasing << " decreasing\n";
    EXPECT_EQ(errors + decreasing + unbalanced, 0u);
    EXPECT_EQ(tree.errors + tree.cut_off + tree.decreasing, 0u);
    EXPECT_GT(looks, 100u);
    EXPECT_GT(tree.reads, 100u);
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
  }

  const Uuid vm_ = testing::known_vm;
  std::unique_ptr<testing::DaemonHost> host_;
  Child daemon_;
  std::mt19937_64 random_{setting("VPOWERCAP_SEED", 1)};
  std::uint64_t kills_ = 0, steps_ = 0, vms_ = 0;
  std::unique_ptr<testing::TreeReaders> tree_readers_;
  std::atomic<bool> stop_ = false;
  LedgerLaws kept_, fresh_;
  std::atomic<std::uint64_t> open_errors_ = 0;
  std::vector<std::jthread> ledger_readers_;
};

TEST_F(KilledDaemons, CostNoReadAndNoMicrojoule) {
  const auto kills = setting("VPOWERCAP_KILLS", 20);
  daemon_.end(0s);
  host_->tree().start();
  start_readers();
  for (std::uint64_t round = 0; round < kills; ++round) {
    if (round % std::max<std::uint64_t>(5, kills / 40) == 0) {
      if (vms_ != 0) host_->end_vm(uuid_of(vms_));
      host_->start_vm(uuid_of(++vms_));
    }
    round % 2 == 0 ? kill_at_random() : die_at_step();
    if (HasFatalFailure()) return;
  }
  host_->tree().stop();
  start_daemon(VPOWERCAPD);
  const auto before = ticks();
  ASSERT_TRUE(eventually([&] { return ticks() > before + 2; }));
  daemon_.end(0s);
  stop_readers();
  const auto ledger = LedgerReader::open(paths_.ledger());
  ASSERT_TRUE(ledger) << ledger.error().message;
  kept_.look(*ledger);
  std::cout << kills_ << " kills, " << steps_ << " of them at fail points\n";
  expect_nothing_seen();
  expect_all_counted();
}

}  // namespace
}  // namespace vpowercap
