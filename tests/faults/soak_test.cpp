// SPDX-License-Identifier: Apache-2.0
// The real daemon under random faults and load, with VMs that come and go and readers of the ledger and
// of the mounted tree. VPOWERCAP_SOAK_SECONDS sets how long, VPOWERCAP_SEED what happens.
#include <algorithm>
#include <deque>
#include <filesystem>

#include "tests/faults/busy_threads.hpp"
#include "tests/faults/faulty_daemon.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
using testing::CountingTree;
using testing::eventually;
using testing::fault_kinds;
using testing::setting;
using testing::uuid_of;

constexpr Nanoseconds tick = 100ms;  // of DaemonHost

class Soak : public testing::FaultyDaemon {
 protected:
  void SetUp() override {
    FaultyDaemon::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    const auto before = ticks();
    start_faulty_daemon();
    ASSERT_TRUE(eventually([&] { return ticks() > before + 1; }));
    ledger_ = LedgerReader::open(paths_.ledger()).value();
  }

  /// A VM in the place of the oldest; the daemon is told as an operator would.
  void change_vms() {
    if (others_.size() == 2) {
      host_->end_vm(uuid_of(others_.front()));
      others_.pop_front();
    }
    host_->start_vm(uuid_of(++started_));
    others_.push_back(started_);
    ::kill(daemon_.pid(), SIGHUP);
  }
  void expect_at_most(std::uint64_t value, std::uint64_t limit, const std::string& what) {
    if (value <= limit) return;
    ++spikes_;
    ADD_FAILURE() << what << ": " << value << ", not more than " << limit;
  }
  /// No zone may have more energy than was drawn, no VM more CPU time than its process.
  void look_for_spikes() {
    const auto host = ledger_->host();
    ASSERT_TRUE(host);
    const auto vms = ledger_->vms();
    for (std::size_t i = 0; i < CountingTree::zones; ++i)
      expect_at_most(host->zones[i].energy_uj, host_->tree().drawn_uj(i),
                     "energy of zone " + host_->tree().id(i));
    for (const auto& vm : vms)
      if (const auto spent = host_->cpu_time(vm.uuid); spent > Nanoseconds(0))
        expect_at_most(vm.work_ns, static_cast<std::uint64_t>(spent.count()),
                       "CPU time of VM " + vm.uuid.to_string());
    ASSERT_FALSE(daemon_.reap()) << "the daemon ended by itself";
  }
  [[nodiscard]] std::ptrdiff_t descriptors() const {
    const std::filesystem::directory_iterator all("/proc/" + std::to_string(daemon_.pid()) + "/fd");
    return std::distance(begin(all), end(all));
  }
  /// Without those that are open for one reading only: the fewest in five ticks.
  [[nodiscard]] std::ptrdiff_t kept_descriptors() const {
    auto fewest = descriptors();
    for (const auto end = SystemClock().now() + 5 * tick; SystemClock().now() < end;
         std::this_thread::sleep_for(tick / 20))
      fewest = std::min(fewest, descriptors());
    return fewest;
  }
  /// Without faults, everything is counted again.
  void expect_recovery() {
    ::kill(daemon_.pid(), SIGHUP);
    EXPECT_TRUE(eventually([&] { return uncounted().empty(); }))
        << "not counted after the last fault:" << uncounted();
  }
  /// Zones and VMs whose last reading is older than two ticks.
  [[nodiscard]] std::string uncounted() const {
    const auto host = ledger_->host();
    if (!host) return " the host";
    const auto is_old = [&](std::uint64_t time_ns) {
      return time_ns + static_cast<std::uint64_t>((2 * tick).count()) < host->sampled_ns;
    };
    std::string found;
    for (std::size_t i = 0; i < CountingTree::zones; ++i)
      if (is_old(host->zones[i].taken_ns)) found += " zone " + host_->tree().id(i);
    for (const auto number : others_)
      if (const auto vm = ledger_->find(uuid_of(number));
          !vm || vm->state != VmState::running || is_old(vm->sampled_ns))
        found += " VM " + uuid_of(number).to_string();
    return found;
  }
  /// What is not with the zones is told as lost time.
  void expect_all_counted() {
    const auto host = ledger_->host();
    ASSERT_TRUE(host);
    std::uint64_t gaps = 0, drawn = 0, missing = 0;
    for (std::size_t i = 0; i < CountingTree::zones; ++i) {
      const auto& zone = host->zones[i];
      gaps += zone.gaps;
      drawn += host_->tree().drawn_uj(i);
      ASSERT_LE(zone.energy_uj, host_->tree().drawn_uj(i)) << zone.id.view();
      missing += host_->tree().drawn_uj(i) - zone.energy_uj;
      if (zone.lost_ns > 0) continue;
      EXPECT_EQ(zone.energy_uj, host_->tree().drawn_uj(i)) << zone.id.view();
    }
    std::cout << drawn << " µJ drawn, " << missing << " µJ in lost time; " << gaps
              << " gaps of zones\n";
  }
  void print_faults() const {
    std::string kinds;
    for (std::size_t i = 0; i < std::size(fault_kinds); ++i) {
      kinds += (i == 0 ? "" : ", ") + std::string(fault_kinds[i].name) + " " +
               std::to_string(page_->made[i]);
    }
    std::cout << faults() << " faults in " << page_->calls << " calls: " << kinds << "\n";
    EXPECT_GT(faults(), 0u);
  }

  std::optional<LedgerReader> ledger_;
  std::uint64_t started_ = 0, spikes_ = 0;
  std::deque<std::uint64_t> others_;
};

TEST_F(Soak, NoExitNoSpikeAndNoCounterThatFalls) {
  const auto length = std::chrono::seconds(setting("VPOWERCAP_SOAK_SECONDS", 8));
  host_->tree().start();
  change_vms();
  change_vms();
  ASSERT_TRUE(eventually([&] { return uncounted().empty(); })) << uncounted();
  const auto descriptors_before = kept_descriptors();
  const auto first = ledger_->host();
  const auto begin = SystemClock().now();
  start_readers();
  page_->per_million = setting("VPOWERCAP_FAULTS_PER_MILLION", 5000);
  {
    const testing::BusyThreads load(3, random_());
    auto next_change = begin + 2s;
    while (SystemClock().now() < begin + length && !HasFatalFailure()) {
      std::this_thread::sleep_for(50ms);
      look_for_spikes();
      if (SystemClock().now() < next_change) continue;
      change_vms();
      next_change += std::min<Nanoseconds>(length / 3, 20s);
    }
  }
  page_->per_million = 0;
  expect_recovery();
  const auto last = ledger_->host();
  const auto passed = SystemClock().now() - begin;
  ASSERT_TRUE(first && last);
  const auto due = static_cast<std::uint64_t>(passed / tick);
  const auto done = last->tick - first->tick;
  std::cout << std::chrono::duration_cast<std::chrono::seconds>(passed).count()
            << " s of soak: " << done << " ticks, " << last->late_ticks - first->late_ticks << " late, "
            << (due > done ? due - done : 0) << " missed; " << started_ << " VMs more, " << spikes_
            << " spikes, 0 exits\n";
  print_faults();
  EXPECT_LE(kept_descriptors(), descriptors_before) << "a fault can cost one, and must not leave one";
  host_->tree().stop();
  const auto stopped = ticks();
  ASSERT_TRUE(eventually([&] { return ticks() > stopped + 2; }));
  stop_readers();
  expect_nothing_seen();
  expect_all_counted();
}

}  // namespace
}  // namespace vpowercap
