// SPDX-License-Identifier: Apache-2.0
// The conservation law over one simulated week of a host with two packages.
#include <map>
#include <memory>
#include <set>

#include "host/sampler/account.hpp"
#include "tests/sim/random.hpp"

namespace vpowercap::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t range_uj = 262'143'328'850;
constexpr std::int64_t week_s = 7 * 24 * 3600;
constexpr std::size_t vm_count = 200;

/// A zone whose energy the test knows.
struct TrueZone {
  std::string id;
  std::string name;
  EnergyDomain domain;
  std::uint32_t package;
  double watts;
  std::uint64_t offset_uj;     ///< counter value when the week began or the counter was last reset
  std::uint64_t drawn_uj = 0;  ///< since then
  std::uint64_t all_uj = 0;    ///< since the first reading
  std::uint64_t base_uj = 0;   ///< of all_uj, up to the last reading that counted or was a base
  std::uint64_t lost_uj = 0;   ///< of all_uj, what counted gaps hold
  std::uint64_t base_gaps = 0;
  std::uint64_t booked_uj = 0;
};

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
    for (auto& zone : zones_) zone.all_uj = zone.base_uj = 0;
  }

  void start_daemon() {
    AccountOptions options{.policy = IdlePolicy::reserved,
                           .idle_uw = {40'000'000, 10'000'000, 0, 5'000'000},
                           .max_zone_uw = 400'000'000};
    auto successor = std::make_unique<Account>(options);
    if (account_) {
      std::vector<VmRecord> records;
      for (const auto& [uuid, record] : account_->vms()) records.push_back(record);
      successor->resume(account_->host(), records, Method::rapl);
    }
    account_ = std::move(successor);
    account_->describe_host(Method::rapl, 64, {0, 1});
  }

  /// Time passes and energy with it.
  void pass(Nanoseconds length) {
    now_ += length;
    for (auto& zone : zones_) {
      const double seconds = std::chrono::duration<double>(length).count();
      const auto drawn =
          1 + static_cast<std::uint64_t>(zone.watts * 1e6 * seconds * random_.between(0.3, 1.3));
      zone.drawn_uj += drawn;
      zone.all_uj += drawn;
    }
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
    Tick tick{.now = now_};
    for (const auto i : alive_) tick.vms.push_back(work_of(i, length));
    tick.busy_ns = {{0, static_cast<std::uint64_t>(20 * length.count())},
                    {1, static_cast<std::uint64_t>(9 * length.count())}};
    for (const auto& zone : zones_) {
      ZoneReading reading{zone.id, zone.name, zone.domain, zone.package, range_uj, std::nullopt, now_};
      if (readable) reading.raw_uj = (zone.offset_uj + zone.drawn_uj) % range_uj;
      tick.zones.push_back(reading);
    }
    (void)account_->book(tick);
    if (readable) compare_zones();
    forget_stopped();
  }

  /// All energy since the last base was booked at once, or none of it and a gap was counted.
  void compare_zones() {
    for (std::size_t i = 0; i < zones_.size(); ++i) {
      auto& zone = zones_[i];
      const auto& record = account_->host().zones[i];
      ASSERT_EQ(record.id.view(), zone.id);
      const auto booked = record.energy_uj - zone.booked_uj;
      if (booked == 0 && record.gaps > zone.base_gaps) {
        zone.lost_uj += zone.all_uj - zone.base_uj;
        ++lost_;
      } else if (now_ != begin_) {
        ASSERT_EQ(booked, zone.all_uj - zone.base_uj) << zone.id << " at " << now_.count();
      }
      zone.base_uj = zone.all_uj;
      zone.base_gaps = record.gaps;
      zone.booked_uj = record.energy_uj;
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

  /// Σ VMs + remainder = Σ zones, for each domain to the microjoule; no counter goes back.
  void compare_sums() {
    for (const auto domain : virtual_domains) {
      std::uint64_t parts = forgotten_[domain];
      std::uint64_t zones = 0;
      for (const auto& [uuid, record] : account_->vms()) {
        const auto sum = record.energy_sum(domain);
        auto& least = least_[{uuid, domain}];
        ASSERT_GE(sum, least);
        least = sum;
        parts += sum;
      }
      for (std::size_t i = 0; i < zones_.size(); ++i) {
        if (zones_[i].domain != domain) continue;
        parts += account_->host().zones[i].remainder_uj;
        zones += account_->host().zones[i].energy_uj;
      }
      ASSERT_EQ(parts, zones) << to_string(domain) << " after " << (now_ - begin_) / 1s << " s";
    }
  }

  /// The machine sleeps: no monotonic time passes, counters start at 0 again.
  void suspend() {
    for (auto& zone : zones_) {
      zone.offset_uj = random_.below(1000);
      zone.drawn_uj = 0;
    }
  }

  Random random_{7};
  std::unique_ptr<Account> account_;
  std::vector<TrueZone> zones_;
  std::vector<Life> lives_;
  std::set<std::size_t> alive_;
  std::size_t seen_ = 0;
  std::size_t lost_ = 0;
  const Nanoseconds begin_ = 1000s;
  Nanoseconds now_ = begin_;
  std::map<Uuid, VmRecord> last_;
  std::map<EnergyDomain, std::uint64_t> forgotten_;
  std::map<std::pair<Uuid, EnergyDomain>, std::uint64_t> least_;
};

TEST_F(Week, VmsRemainderAndCountedGapsAreTheEnergyOfTheZonesToTheMicrojoule) {
  std::size_t restarts = 0;
  std::size_t suspends = 0;
  std::size_t outages = 0;
  for (std::size_t step = 0; now_ - begin_ < week_s * 1s; ++step) {
    // Ticks of 10 s with jitter, now and then a minute of ticks of 1 s.
    const bool is_fine = step % 2000 < 60;
    tick(Nanoseconds(static_cast<std::int64_t>((is_fine ? 1e9 : 1e10) * random_.between(0.95, 1.05))),
         true);
    if (step % 1009 == 500) {
      for (int i = 0; i < 12; ++i) tick(10s, false);
      ++outages;
    }
    if (step % 16001 == 9000 && restarts < 3) {
      pass(random_.below(240) * 1s);
      start_daemon();
      ++restarts;
    }
    if (step % 12011 == 7000 && suspends < 5) {
      suspend();
      ++suspends;
    }
    if (step % 50 == 0) compare_sums();
    if (HasFatalFailure()) return;
  }
  tick(1s, true);
  compare_sums();
  for (std::size_t i = 0; i < zones_.size(); ++i) {
    EXPECT_EQ(account_->host().zones[i].energy_uj + zones_[i].lost_uj, zones_[i].all_uj)
        << zones_[i].id;
    EXPECT_LT(zones_[i].lost_uj, zones_[i].all_uj / 1000) << zones_[i].id;
  }
  EXPECT_EQ(lost_, suspends * zones_.size());
  EXPECT_GT(zones_[0].all_uj, 100 * range_uj) << "too few wraps";
  EXPECT_EQ(restarts, 3u);
  EXPECT_GE(suspends, 4u);
  EXPECT_GE(outages, 50u);
  EXPECT_EQ(seen_, vm_count);
}

}  // namespace
}  // namespace vpowercap::sim
