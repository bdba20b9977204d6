// SPDX-License-Identifier: Apache-2.0
// The conservation law over one simulated week of a host with two packages.
#include <map>
#include <memory>
#include <set>

#include "host/sampler/account.hpp"
#include "tests/sim/random.hpp"
#include "tests/sim/true_zone.hpp"

namespace vpowercap::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t week_s = 7 * 24 * 3600;
constexpr std::size_t vm_count = 200;

/// Life of one VM, in seconds of the week.
struct Life {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::uint32_t vcpus = 1;
  std::uint32_t sockets = 1;
};

Uuid uuid_of(std::size_t number) {
  Uuid uuid;
  uuid.bytes[0] = static_cast<std::uint8_t>(number);
  return uuid;
}

std::uint64_t ns(Nanoseconds time) { return static_cast<std::uint64_t>(time.count()); }

class Week : public ::testing::Test {
 protected:
  void SetUp() override {
    zones_ = {{"intel-rapl:0", "package-0", EnergyDomain::package, 0, 140, 262'000'000'000},
              {"intel-rapl:0:0", "core", EnergyDomain::core, 0, 90, 5},
              {"intel-rapl:0:1", "dram", EnergyDomain::dram, 0, 12, 999'999},
              {"intel-rapl:1", "package-1", EnergyDomain::package, 1, 85, 131'000'000'000},
              {"intel-rapl:1:0", "dram", EnergyDomain::dram, 1, 9, 1},
              {"psys", "psys", EnergyDomain::psys, 0, 300, 7}};
    for (std::size_t i = 0; i < vm_count; ++i) {
      const auto from = static_cast<std::int64_t>(random_.between(0, week_s * 0.97));
      const auto hours = random_.between(0.02, 80);
      lives_.push_back({from, std::min<std::int64_t>(week_s, from + std::int64_t(hours * 3600)),
                        1 + random_.below(8), 1 + random_.below(3)});
    }
    start_daemon();
    tick(0s, true);
  }

  void start_daemon() {
    AccountOptions options{.policy = IdlePolicy::reserved,
                           .idle_uw = {40'000'000, 10'000'000, 0, 5'000'000},
                           .max_zone_uw = TrueZone::bound_uw,
                           .tick = TrueZone::tick};
    auto successor = std::make_unique<Account>(options);
    if (account_) {
      std::vector<VmRecord> records;
      for (const auto& [uuid, record] : account_->vms()) records.push_back(record);
      successor->resume(account_->host(), records, Method::rapl);
    }
    account_ = std::move(successor);
    account_->describe_host(Method::rapl, 64, {0, 1});
  }

  [[nodiscard]] std::uint64_t drawn(const TrueZone& zone, Nanoseconds length) {
    const double seconds = std::chrono::duration<double>(length).count();
    return 1 + static_cast<std::uint64_t>(zone.watts * 1e6 * seconds * random_.between(0.3, 1.3));
  }

  /// Time passes and energy with it.
  void pass(Nanoseconds length) {
    now_ += length;
    for (auto& zone : zones_) zone.pass(length, drawn(zone, length));
  }

  /// The machine sleeps for minutes to hours; its counters start at 0 again, or go on.
  void suspend(bool resets) {
    pass(Nanoseconds(static_cast<std::int64_t>(random_.between(0, 9e9))));
    const auto length = Nanoseconds(static_cast<std::int64_t>(random_.between(60e9, 2e13)));
    boot_offset_ += length;
    for (auto& zone : zones_) {
      const std::uint64_t first_uj = random_.below(1000);
      zone.sleep(length, drawn(zone, length) / 20, resets ? &first_uj : nullptr);
    }
    ++suspends_;
  }

  void follow_lives() {
    const auto second = (now_ - begin_) / 1s;
    for (std::size_t i = 0; i < lives_.size(); ++i) {
      const bool lives = lives_[i].from <= second && second < lives_[i].to;
      if (lives && alive_.insert(i).second) {
        VmDescription vm{.uuid = uuid_of(i), .name = "vm", .pid = 100, .pid_start_ticks = 1};
        vm.topology = {lives_[i].vcpus, std::min(lives_[i].vcpus, lives_[i].sockets)};
        account_->admit(vm, now_);
        ++seen_;
      } else if (!lives && alive_.erase(i) > 0) {
        account_->stop(uuid_of(i), now_);
      }
    }
  }

  [[nodiscard]] VmTick work_of(std::size_t i, Nanoseconds length) {
    VmTick vm{.uuid = uuid_of(i), .alive = length};
    for (std::uint32_t package = 0; package < 2; ++package) {
      const auto work = static_cast<std::uint64_t>(random_.unit() * lives_[i].vcpus *
                                                   static_cast<double>(length.count()) / 3);
      vm.work[package] = {work, {work / 3, work / 4}};
    }
    return vm;
  }

  /// One tick; without `readable` no zone gives a value.
  void tick(Nanoseconds length, bool readable) {
    pass(length);
    follow_lives();
    Tick tick{.now = now_, .boot_offset = boot_offset_};
    for (const auto i : alive_) tick.vms.push_back(work_of(i, length));
    tick.busy_ns = {{0, 20 * ns(length)}, {1, 9 * ns(length)}};
    for (auto& zone : zones_) tick.zones.push_back(readable ? zone.read(now_) : zone.fail(now_));
    (void)account_->book(tick);
    if (readable) compare_zones();
    forget_stopped();
  }

  /// No zone can be read for about `length`.
  void fail(Nanoseconds length) {
    for (const auto end = now_ + length; now_ < end;) tick(TrueZone::tick, false);
    ++outages_;
  }

  /// Each zone's books hold all that its counter proves and none of the rest, and say how long that
  /// was.
  void compare_zones() {
    for (std::size_t i = 0; i < zones_.size(); ++i) {
      const auto& zone = zones_[i];
      const auto& record = account_->host().zones[i];
      ASSERT_EQ(record.energy_uj, zone.counted_uj) << record.id.view() << at();
      ASSERT_EQ(record.gaps, zone.gaps) << record.id.view() << at();
      ASSERT_EQ(record.gap_ns, ns(zone.gap)) << record.id.view() << at();
      ASSERT_EQ(record.lost_ns, ns(zone.lost)) << record.id.view() << at();
    }
  }

  void forget_stopped() {
    for (const auto& [uuid, record] : account_->vms())
      if (record.state == VmState::stopped) last_[uuid] = record;
    for (const auto& uuid : account_->take_expired(now_)) {
      for (const auto domain : virtual_domains) forgotten_[domain] += last_[uuid].energy_sum(domain);
      last_.erase(uuid);
    }
  }

  /// Σ VMs + remainder + what counted gaps lost = Σ true ΔE of the zones, for each domain to the
  /// microjoule; no counter goes back.
  void compare_sums() {
    for (const auto domain : virtual_domains) {
      std::uint64_t parts = forgotten_[domain];
      std::uint64_t all = 0;
      for (const auto& [uuid, record] : account_->vms()) {
        const auto sum = record.energy_sum(domain);
        auto& least = least_[{uuid, domain}];
        ASSERT_GE(sum, least);
        least = sum;
        parts += sum;
      }
      for (std::size_t i = 0; i < zones_.size(); ++i) {
        if (zones_[i].domain != domain) continue;
        parts += account_->host().zones[i].remainder_uj + zones_[i].lost_uj;
        all += zones_[i].all_uj;
      }
      ASSERT_EQ(parts, all) << to_string(domain) << at();
    }
  }

  [[nodiscard]] std::string at() const {
    return " after " + std::to_string((now_ - begin_) / 1s) + " s";
  }

  Random random_{7};
  std::unique_ptr<Account> account_;
  std::vector<TrueZone> zones_;
  std::vector<Life> lives_;
  std::set<std::size_t> alive_;
  std::size_t seen_ = 0;
  std::size_t suspends_ = 0;
  std::size_t outages_ = 0;
  const Nanoseconds begin_ = 1000s;
  Nanoseconds now_ = begin_;
  Nanoseconds boot_offset_{0};
  std::map<Uuid, VmRecord> last_;
  std::map<EnergyDomain, std::uint64_t> forgotten_;
  std::map<std::pair<Uuid, EnergyDomain>, std::uint64_t> least_;
};

TEST_F(Week, VmsRemainderAndCountedGapsAreTheEnergyOfTheZonesToTheMicrojoule) {
  std::size_t restarts = 0;
  for (std::size_t step = 0; now_ - begin_ < week_s * 1s; ++step) {
    // Ticks of 10 s with jitter, now and then a minute of ticks of 1 s.
    const bool is_fine = step % 2000 < 60;
    tick(Nanoseconds(static_cast<std::int64_t>((is_fine ? 1e9 : 1e10) * random_.between(0.95, 1.05))),
         true);
    if (step % 1009 == 500) fail(2min);
    if (step % 9001 == 4000) fail(15min);  // too long to be certain of small values
    if (step % 12011 == 2000) fail(3h);    // long enough for several wraps
    if (step % 8011 == 7000) suspend(suspends_ % 2 == 0);
    if (step % 24023 == 15000) {  // asleep while nothing can be read
      fail(1min);
      suspend(true);
      fail(1min);
    }
    if (step % 13001 == 9000 && restarts < 4) {
      // The daemon is away: for minutes after failed readings, then asleep too, then for long, then
      // after a sleep among failed readings.
      if (restarts == 0) fail(1min);
      if (restarts == 3) {
        fail(1min);
        suspend(true);
        fail(1min);
      }
      pass((restarts == 2 ? 7200 : random_.below(240)) * 1s);
      if (restarts == 1) suspend(false);
      start_daemon();
      ++restarts;
    }
    if (step % 50 == 0) compare_sums();
    if (HasFatalFailure()) return;
  }
  tick(1s, true);
  compare_sums();
  std::uint64_t double_wraps = 0;
  std::uint64_t wraps_in_counted_gaps = 0;
  for (const auto& zone : zones_) {
    EXPECT_GT(zone.lost_uj, 0u);
    EXPECT_LT(zone.lost_uj, zone.all_uj / 5);
    EXPECT_GT(zone.lost, 0s);
    EXPECT_GT(zone.gap, zone.lost) << "every gap was lost";
    double_wraps += zone.lost_double_wraps;
    wraps_in_counted_gaps += zone.wraps_in_counted_gaps;
  }
  EXPECT_GT(zones_[0].wraps, 100u);
  EXPECT_GT(wraps_in_counted_gaps, 0u);
  EXPECT_GT(double_wraps, 0u);
  EXPECT_GT(zones_[0].lost_double_wraps, 0u);
  EXPECT_NE(zones_[0].gaps, 0u);
  EXPECT_EQ(restarts, 4u);
  EXPECT_GE(suspends_, 5u);
  EXPECT_GE(outages_, 50u);
  EXPECT_EQ(seen_, vm_count);
  std::cout << zones_[0].wraps << " wraps of package-0, " << double_wraps
            << " stretches with two or more, " << suspends_ << " suspends, " << outages_ << " outages, "
            << restarts << " restarts\n";
}

}  // namespace
}  // namespace vpowercap::sim
