// SPDX-License-Identifier: Apache-2.0
// The daemon's sampler dies before every single step by which it changes the ledger, in ticks of every
// kind. VPOWERCAP_STEP_STRIDE: only each so many-th step (1: all).
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <map>

#include "common/ledger/fail_point.hpp"
#include "host/rapl/powercap_source.hpp"
#include "host/sampler/sampler.hpp"
#include "tests/kills/ledger_laws.hpp"
#include "tests/support/small_host.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
using testing::LedgerLaws;

std::uint64_t stride() {
  const char* text = std::getenv("VPOWERCAP_STEP_STRIDE");
  return text == nullptr ? 61 : std::strtoull(text, nullptr, 10);
}

/// Of a daemon that takes over: the mending of what a dead one left, and the first ones of its tick.
constexpr std::uint64_t mending_steps = 24;

/// A host whose truth this process knows; its daemons are children that tick once and end.
class Sweep : public ::testing::Test {
 protected:
  void SetUp() override {
    host_.start_vm();
    host_.start_vm();
    pass_time();
    ASSERT_FALSE(run_daemon(0));
    look(false);
  }
  void TearDown() override { ::munmap(whole_life_, sizeof *whole_life_); }

  using Energies = std::array<std::uint64_t, 3>;
  [[nodiscard]] Energies drawn() const {
    Energies all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = host_.zones()[i].drawn_uj;
    return all;
  }
  void pass_time() {
    host_.pass_time();
    drawn_at_[static_cast<std::uint64_t>(host_.now().count())] = drawn();
  }

  /// A whole life of a daemon: one tick. Called in a child.
  void live() const {
    auto ledger = LedgerWriter::open({.path = ledger_, .group = ""});
    if (!ledger) ::_exit(1);
    AccountOptions account{.idle_uw = {10'000'000}};
    account.keep_stopped = 2s;
    Sampler sampler({host_.proc_root(), host_.sysfs_root(), 1s, account, {}, ""},
                    std::make_unique<PowercapSource>(host_.sysfs_root() + "/class/powercap", host_),
                    std::move(*ledger), [](const Error&) {});
    sampler.set_vms(host_.vms());
    sampler.tick(host_.now(), host_.now());
  }
  /// Runs a daemon that dies at `step`. True when it died; false when it lived through its tick.
  bool run_daemon(std::uint64_t step) {
    const auto child = ::fork();
    if (child == 0) {
      testing::die_at_step(step);
      live();
      *whole_life_ = testing::steps_done();
      ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) EXPECT_EQ(WTERMSIG(status), SIGKILL);
    else EXPECT_EQ(WEXITSTATUS(status), 0);
    kills_ += WIFSIGNALED(status) ? 1 : 0;
    return WIFSIGNALED(status);
  }

  /// Looks at the ledger that a daemon has left: its zones have all that was drawn up to its last tick.
  void look(bool may_be_absent) {
    if (!reader_ || !reader_->is_current()) {
      auto opened = LedgerReader::open(ledger_);
      if (!opened && may_be_absent && opened.error().code == ENOENT) return;
      ASSERT_TRUE(opened) << opened.error().message;
      reader_ = std::move(*opened);
    }
    laws_->look(*reader_);
    if (laws_->host().zone_count == 0) return;
    const auto& truth = drawn_at_.at(laws_->host().sampled_ns);
    if (!has_begun_) begin(truth);
    ASSERT_TRUE(has_begun_) << "what is counted was drawn since no tick";
    for (std::size_t i = 0; i < truth.size(); ++i)
      ASSERT_EQ(laws_->energy_uj(i), truth[i] - base_uj_[i]) << host_.zones()[i].id;
  }
  /// The counting began at some tick: of this daemon, or of one that died while it committed.
  void begin(const Energies& truth) {
    for (const auto& [time, then] : drawn_at_) {
      bool is_since_then = true;
      for (std::size_t i = 0; i < truth.size(); ++i)
        is_since_then = is_since_then && laws_->energy_uj(i) == truth[i] - then[i];
      if (is_since_then) base_uj_ = then;
      has_begun_ = has_begun_ || is_since_then;
    }
  }
  void expect_all_counted() {
    for (std::size_t i = 0; i < host_.zones().size(); ++i) {
      EXPECT_EQ(laws_->energy_uj(i), host_.zones()[i].drawn_uj - base_uj_[i]) << host_.zones()[i].id;
      EXPECT_EQ(laws_->divided_uj(i), laws_->energy_uj(i)) << host_.zones()[i].id;
      EXPECT_EQ(laws_->host().zones[i].lost_ns, 0u) << host_.zones()[i].id;
      difference_uj_ += static_cast<std::int64_t>(laws_->energy_uj(i)) -
                        static_cast<std::int64_t>(host_.zones()[i].drawn_uj - base_uj_[i]);
    }
    EXPECT_EQ(laws_->errors(), 0u);
    EXPECT_EQ(laws_->decreasing(), 0u);
    EXPECT_EQ(laws_->unbalanced(), 0u);
  }

  /// One takes over from a dead one, dies in turn, most often while it mends, and another one lives.
  void recover(std::uint64_t dies_at, bool may_be_absent) {
    pass_time();
    const bool died = run_daemon(dies_at);
    look(may_be_absent);
    if (!died || HasFatalFailure()) return;
    ++recoveries_;
    pass_time();
    ASSERT_FALSE(run_daemon(0));
    look(false);
  }

  /// Daemons die at each step in turn until one lives; `before` happens before each. After each death
  /// others take over, and nothing is missing.
  template <typename Before>
  void sweep(const std::string& what, Before before) {
    const bool creates = what == "creation";
    for (std::uint64_t step = 1;; step += stride()) {
      before();
      pass_time();
      const bool died = run_daemon(step);
      look(creates);
      if (HasFatalFailure()) return;
      if (died) recover(1 + deaths_++ % mending_steps, creates);
      expect_all_counted();
      if (HasFailure()) return;
      if (died) continue;
      count();
      std::cout << what << ": " << kills_ << " kills at " << step - 1 << " fail points, " << recoveries_
                << " of them in a recovery, " << looks_
                << " reads: " << errors_ << " errors, " << decreasing_
                << " decreasing; conservation difference " << difference_uj_ << " µJ, " << gaps_
                << " gaps\n";
      EXPECT_GT(kills_, 10u);
      return;
    }
  }
  void forget_ledger() {
    ::unlink(ledger_.c_str());
    count();
    laws_ = std::make_unique<LedgerLaws>();
    has_begun_ = false;
  }
  void count() {
    looks_ += laws_->looks();
    gaps_ += laws_->host().zones[0].gaps;
    decreasing_ += laws_->decreasing();
    errors_ += laws_->errors();
  }

  testing::SmallHost host_;
  const std::string ledger_ = host_.path("ledger");
  std::optional<LedgerReader> reader_;
  std::unique_ptr<LedgerLaws> laws_ = std::make_unique<LedgerLaws>();
  bool has_begun_ = false;
  Energies base_uj_{};
  std::map<std::uint64_t, Energies> drawn_at_;  ///< by CLOCK_MONOTONIC
  /// Shared with the daemons: the steps of the last one that lived.
  std::uint64_t* whole_life_ = static_cast<std::uint64_t*>(::mmap(
      nullptr, sizeof(std::uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  std::uint64_t deaths_ = 0, recoveries_ = 0;
  std::uint64_t kills_ = 0, looks_ = 0, gaps_ = 0, decreasing_ = 0, errors_ = 0;
  std::int64_t difference_uj_ = 0;
};

/// A daemon dies at the end of its change: before it commits, between the two stores of that, after it.
TEST_F(Sweep, NoStepOfARecoveryIsOneToDieAt) {
  pass_time();
  ASSERT_FALSE(run_daemon(0));
  look(false);
  const auto whole = *whole_life_;
  ASSERT_GT(whole, 1000u);
  for (std::uint64_t back = 0; back < 6; ++back)
    for (std::uint64_t step = 1; step <= mending_steps; ++step) {
      pass_time();
      ASSERT_TRUE(run_daemon(whole - back)) << "a life has as many steps as the one before";
      look(false);
      if (HasFatalFailure()) return;
      recover(step, false);
      if (HasFatalFailure()) return;
      expect_all_counted();
      if (HasFailure()) return;
    }
  EXPECT_EQ(recoveries_, 6 * mending_steps);
}

TEST_F(Sweep, NoStepThatMakesALedgerIsOneToDieAt) {
  sweep("creation", [this] { forget_ledger(); });
}

TEST_F(Sweep, NoStepOfATickIsOneToDieAt) {
  sweep("a tick", [] {});
}

TEST_F(Sweep, NoStepThatTakesUpAVmIsOneToDieAt) {
  sweep("a new VM", [this] {
    if (host_.vms().size() > 2) host_.end_vm();
    host_.start_vm();
  });
}

TEST_F(Sweep, NoStepThatLetsAVmGoIsOneToDieAt) {
  sweep("an ended VM", [this] {
    if (host_.vms().size() < 3) host_.start_vm();
    else host_.end_vm();
  });
}

}  // namespace
}  // namespace vpowercap
