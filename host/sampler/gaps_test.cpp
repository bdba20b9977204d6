// SPDX-License-Identifier: Apache-2.0
// What the books do when energy comes late or not at all.
#include "host/sampler/account.hpp"

#include <rapidcheck/gtest.h>

#include "common/units/wide.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t joule = 1'000'000;
constexpr std::uint64_t second = 1'000'000'000;

Uuid uuid_of(std::uint8_t number) {
  Uuid uuid;
  uuid.bytes[15] = number;
  return uuid;
}

VmTick worked(std::uint8_t vm, std::uint64_t ns, Nanoseconds alive = 1s) {
  VmTick tick{.uuid = uuid_of(vm), .alive = alive};
  tick.work[0] = {ns, {ns}};
  return tick;
}

/// One package of two CPUs with two VMs.
struct Gaps : ::testing::Test {
  Account account{AccountOptions{.policy = IdlePolicy::none}};
  Nanoseconds now = 1000s;
  Nanoseconds slept{0};
  std::uint64_t raw = 5'000 * joule;

  Gaps() {
    account.describe_host(Method::rapl, 2, {0});
    for (const std::uint8_t number : {1, 2})
      account.admit({.uuid = uuid_of(number), .name = "vm", .pid = 100 + number}, now);
    (void)drawn(0, {});
  }
  std::vector<Error> tick(std::optional<std::uint64_t> value, std::vector<VmTick> vms,
                          Nanoseconds length = 1s) {
    now += length;
    const ZoneReading zone{"intel-rapl:0", "package-0", EnergyDomain::package, 0,
                           262143328850,   value,       value ? now : 0s};
    const auto busy = static_cast<std::uint64_t>(length.count());
    return account.book({now, {zone}, {{0, busy}}, {}, std::move(vms), slept});
  }
  std::vector<Error> drawn(std::uint64_t energy, std::vector<VmTick> vms, Nanoseconds length = 1s) {
    raw += energy;
    return tick(raw, std::move(vms), length);
  }
  std::uint64_t energy(std::uint8_t number) const {
    return account.vms().at(uuid_of(number)).energy_sum(EnergyDomain::package);
  }
  const DomainQuality& quality(std::uint8_t number) const {
    return account.vms().at(uuid_of(number)).quality[0];
  }
  const HostZoneRecord& zone() const { return account.host().zones[0]; }
};

TEST_F(Gaps, EnergyThatComesLateGoesToThoseWhoWorkedInItsTime) {
  (void)tick({}, {worked(1, second)});
  (void)tick({}, {worked(1, second)});
  (void)drawn(300 * joule, {worked(2, second)});
  EXPECT_EQ(energy(1), 200 * joule);
  EXPECT_EQ(energy(2), 100 * joule);
  EXPECT_EQ(zone().gaps, 1u);
  EXPECT_EQ(zone().gap_ns, 3 * second);
  EXPECT_EQ(zone().lost_ns, 0u);
  EXPECT_EQ(zone().across_gap_uj, 300 * joule);
  EXPECT_EQ(zone().power_uw, 100 * joule);
  EXPECT_EQ(quality(1).across_gap_uj, 200 * joule);
  EXPECT_EQ(quality(1).sampled_ns, static_cast<std::uint64_t>(now.count()));
  (void)drawn(50 * joule, {worked(2, second)});
  EXPECT_EQ(energy(2), 150 * joule);
  EXPECT_EQ(zone().across_gap_uj, 300 * joule);
}

TEST_F(Gaps, AVmThatStoppedMeanwhileStillGetsItsPartAndShowsIt) {
  (void)tick({}, {worked(1, second)});
  account.stop(uuid_of(1), now);
  (void)drawn(200 * joule, {worked(2, second)});
  EXPECT_EQ(energy(1), 100 * joule);
  EXPECT_EQ(account.vms().at(uuid_of(1)).published_sum(EnergyDomain::package), 100 * joule);
  EXPECT_EQ(account.vms().at(uuid_of(1)).power_uw, 0u);
}

TEST_F(Gaps, ThePartOfAForgottenVmIsTheHosts) {
  (void)tick({}, {worked(1, second)});
  account.stop(uuid_of(1), now - 700s);
  ASSERT_EQ(account.take_expired(now).size(), 1u);
  (void)drawn(200 * joule, {worked(2, second)});
  EXPECT_EQ(energy(2), 100 * joule);
  EXPECT_EQ(zone().remainder_uj, 100 * joule);
  EXPECT_EQ(account.vms().size(), 1u);
}

TEST_F(Gaps, ASuspendIsAGapWithoutASpike) {
  slept = 3600s;
  (void)drawn(9'000 * joule, {worked(1, second)});
  EXPECT_EQ(zone().energy_uj, 0u);
  EXPECT_EQ(zone().gaps, 1u);
  EXPECT_EQ(zone().gap_ns, 3601 * second);
  EXPECT_EQ(zone().lost_ns, 3601 * second);
  EXPECT_EQ(account.vms().at(uuid_of(1)).gaps, 1u);
  (void)drawn(60 * joule, {worked(1, second)});
  EXPECT_EQ(energy(1), 60 * joule);
  EXPECT_EQ(zone().gaps, 1u);
}

TEST_F(Gaps, ASuspendWhileNobodyLookedIsSeenByTheSuccessor) {
  Account successor{AccountOptions{.policy = IdlePolicy::none}};
  successor.describe_host(Method::rapl, 2, {0});
  successor.resume(account.host(), {}, Method::rapl);
  account = successor;
  slept = 100s;
  (void)drawn(90 * joule, {}, 5s);
  EXPECT_EQ(zone().energy_uj, 0u);
  EXPECT_EQ(zone().lost_ns, 105 * second);
}

TEST_F(Gaps, ARestartIsAGapThatIsBridged) {
  (void)drawn(10 * joule, {worked(1, second)});
  Account successor{AccountOptions{.policy = IdlePolicy::none}};
  successor.describe_host(Method::rapl, 2, {0});
  successor.resume(account.host(), {account.vms().at(uuid_of(1))}, Method::rapl);
  account = successor;
  (void)drawn(200 * joule, {worked(1, 20 * second, 20s)}, 20s);
  EXPECT_EQ(energy(1), 210 * joule);
  EXPECT_EQ(zone().gaps, 1u);
  EXPECT_EQ(zone().gap_ns, 20 * second);
  EXPECT_EQ(zone().across_gap_uj, 200 * joule);
  EXPECT_EQ(quality(1).across_gap_uj, 200 * joule);
  EXPECT_EQ(quality(1).gap_ns, 20 * second);
}

TEST_F(Gaps, ARestartInAnOutageGoesOnFromTheLastGoodValue) {
  (void)tick({}, {});
  (void)tick({}, {});
  Account successor{AccountOptions{.policy = IdlePolicy::none}};
  successor.resume(account.host(), {}, Method::rapl);
  account = successor;
  (void)drawn(200 * joule, {}, 2s);
  EXPECT_EQ(zone().energy_uj, 200 * joule);
  EXPECT_EQ(zone().power_uw, 50 * joule);
  EXPECT_EQ(zone().gaps, 1u);
  EXPECT_EQ(zone().gap_ns, 4 * second);
}

TEST_F(Gaps, ARestartAfterASleepInAnOutageIsStillTheSameGap) {
  (void)tick({}, {});
  slept = 100s;
  (void)tick({}, {});
  Account successor{AccountOptions{.policy = IdlePolicy::none}};
  successor.resume(account.host(), {}, Method::rapl);
  account = successor;
  (void)drawn(200 * joule, {}, 2s);
  EXPECT_EQ(zone().energy_uj, 0u);
  EXPECT_EQ(zone().gaps, 1u);
  EXPECT_EQ(zone().gap_ns, 104 * second);
  EXPECT_EQ(zone().lost_ns, 104 * second);
}

TEST_F(Gaps, AModelsCounterBreaksOffWithItsProcess) {
  auto host = account.host();
  host.method = Method::model;
  Account successor{AccountOptions{}};
  successor.describe_host(Method::model, 2, {0});
  successor.resume(host, {}, Method::model);
  account = successor;
  (void)drawn(200 * joule, {}, 7s);
  EXPECT_EQ(zone().energy_uj, 0u);
  EXPECT_EQ(zone().lost_ns, 7 * second);
}

TEST_F(Gaps, AStuckCounterIsToldOnce) {
  std::size_t told = 0;
  for (int i = 0; i < 30; ++i) told += drawn(0, {worked(1, second)}).size();
  EXPECT_EQ(told, 1u);
  EXPECT_EQ(zone().gaps, 1u);
  EXPECT_EQ(zone().gap_ns, 30 * second);
  (void)drawn(310 * joule, {worked(2, second)});
  EXPECT_EQ(energy(1), 300 * joule);
  EXPECT_EQ(energy(2), 10 * joule);
}

TEST_F(Gaps, AVmYoungerThanAGapHasOnlyItsOwnPartOfIt) {
  (void)tick({}, {}, 10s);
  account.admit({.uuid = uuid_of(3), .name = "new", .pid = 103}, now - 2s);
  (void)tick({}, {worked(3, second)}, 1s);
  (void)drawn(joule, {worked(3, second)}, 1s);
  EXPECT_EQ(zone().gap_ns, 12 * second);
  EXPECT_EQ(quality(3).gap_ns, 2 * second);
  EXPECT_EQ(quality(3).gaps, 0u);
}

TEST_F(Gaps, LateTicksAreCounted) {
  (void)drawn(joule, {}, 1400ms);
  EXPECT_EQ(account.host().late_ticks, 0u);
  (void)drawn(joule, {}, 1600ms);
  EXPECT_EQ(account.host().late_ticks, 1u);
}

TEST_F(Gaps, APowerLimitOfTheOperatorsOwnHoldsForEveryZone) {
  account.set_options({.policy = IdlePolicy::none, .max_zone_uw = 40 * joule});
  EXPECT_EQ(drawn(50 * joule, {}).size(), 1u);
  EXPECT_EQ(zone().energy_uj, 0u);
  EXPECT_EQ(drawn(40 * joule, {}).size(), 0u);
}

/// Whatever the counters do: what is booked is divided to the microjoule, is no more than was drawn,
/// and brings no spike.
RC_GTEST_PROP(GapLaw, WhatIsBookedIsDividedAndIsNoMoreThanWasDrawn, ()) {
  constexpr std::uint64_t range = 65'532'610'987;
  constexpr std::uint64_t bound = 1000 * joule;
  Account account{AccountOptions{.policy = IdlePolicy::reserved, .idle_uw = {5 * joule, 0, 0, 0}}};
  account.describe_host(Method::rapl, 4, {0, 1});
  std::array<std::uint64_t, 2> raw{1 * joule, 64'000 * joule};
  std::array<Wide, 2> all{};
  std::map<std::uint8_t, std::uint64_t> last;
  Nanoseconds now = 100s;
  Nanoseconds slept{0};
  const int ticks = *rc::gen::inRange(2, 50);
  for (int t = 0; t < ticks; ++t) {
    const Nanoseconds length(*rc::gen::weightedOneOf<std::int64_t>(
        {{8, rc::gen::inRange<std::int64_t>(200'000'000, 2'000'000'000)},
         {1, rc::gen::inRange<std::int64_t>(2'000'000'000, 300'000'000'000)}}));
    now += length;
    const bool sleeps = *rc::gen::inRange(0, 12) == 0;
    if (sleeps) slept += 90s;
    const auto vm = static_cast<std::uint8_t>(*rc::gen::inRange(1, 5));
    if (*rc::gen::inRange(0, 3) == 0) account.stop(uuid_of(vm), now);
    else account.admit({.uuid = uuid_of(vm), .name = "vm", .pid = 100 + vm}, now);
    Tick tick{.now = now, .boot_offset = slept};
    for (std::uint32_t p = 0; p < 2; ++p) {
      const auto energy = *rc::gen::inRange<std::uint64_t>(0, energy_of(bound, length).count + 1);
      all[p] += t == 0 ? 0 : energy;
      raw[p] = (raw[p] + energy) % range;
      if (sleeps && *rc::gen::inRange(0, 2) == 0) raw[p] = 0;
      ZoneReading zone{"intel-rapl:" + std::to_string(p),
                       "package-" + std::to_string(p),
                       EnergyDomain::package,
                       p,
                       range,
                       raw[p],
                       now};
      zone.power_bound_uw = bound;
      const auto event = *rc::gen::inRange(0, 10);
      if (event == 0) zone.raw_uj.reset();
      if (event != 1) tick.zones.push_back(zone);
      tick.busy_ns[p] = *rc::gen::inRange<std::uint64_t>(0, 2 * second);
    }
    for (const auto& [uuid, record] : account.vms())
      if (record.state == VmState::running)
        tick.vms.push_back(worked(uuid.bytes[15], *rc::gen::inRange<std::uint64_t>(0, second), length));
    (void)account.book(tick);
    for (const auto& uuid : account.take_expired(now)) last.erase(uuid.bytes[15]);
    for (std::uint32_t i = 0; i < account.host().zone_count; ++i) {
      const auto& zone = account.host().zones[i];
      RC_ASSERT(zone.energy_uj <= all[zone.package]);
      RC_ASSERT(zone.power_uw <= bound + bound / 2);  // 200 ms with 100 ms of lateness
      RC_ASSERT(zone.lost_ns <= zone.gap_ns);
      RC_ASSERT(zone.across_gap_uj <= zone.energy_uj);
    }
  }
}

/// As above, nobody forgotten: the sums.
RC_GTEST_PROP(GapLaw, VmsAndRemainderMakeUpWhatIsBooked, ()) {
  constexpr std::uint64_t range = 65'532'610'987;
  Account account{AccountOptions{.policy = IdlePolicy::usage, .idle_uw = {5 * joule, 0, 0, 0}}};
  account.describe_host(Method::rapl, 4, {0});
  Nanoseconds now = 100s;
  Nanoseconds slept{0};
  std::uint64_t raw = *rc::gen::inRange<std::uint64_t>(0, range);
  const int ticks = *rc::gen::inRange(2, 50);
  for (int t = 0; t < ticks; ++t) {
    const Nanoseconds length(*rc::gen::inRange<std::int64_t>(200'000'000, 3'000'000'000));
    now += length;
    if (*rc::gen::inRange(0, 9) == 0) slept += 5s;
    const auto vm = static_cast<std::uint8_t>(*rc::gen::inRange(1, 5));
    if (*rc::gen::inRange(0, 3) == 0) account.stop(uuid_of(vm), now);
    else account.admit({.uuid = uuid_of(vm), .name = "vm", .pid = 100 + vm}, now);
    const auto event = *rc::gen::inRange(0, 8);
    if (event != 3) raw = (raw + *rc::gen::inRange<std::uint64_t>(0, 300 * joule)) % range;
    if (event == 2) raw = 0;
    Tick tick{.now = now,
              .busy_ns = {{0, *rc::gen::inRange<std::uint64_t>(0, 4 * second)}},
              .boot_offset = slept};
    ZoneReading zone{"intel-rapl:0", "package-0", EnergyDomain::package, 0, range, raw, now};
    if (event == 0) zone.raw_uj.reset();
    if (event != 1) tick.zones.push_back(zone);
    for (const auto& [uuid, record] : account.vms())
      if (record.state == VmState::running)
        tick.vms.push_back(worked(uuid.bytes[15], *rc::gen::inRange<std::uint64_t>(0, second), length));
    (void)account.book(tick);
    const auto& host = account.host().zones[0];
    Wide sum = host.remainder_uj;
    Wide across = 0;
    for (const auto& [uuid, record] : account.vms()) {
      sum += record.energy_sum(EnergyDomain::package);
      across += record.quality[0].across_gap_uj;
      RC_ASSERT(record.quality[0].lost_ns <= record.quality[0].gap_ns);
    }
    RC_ASSERT(sum == host.energy_uj);
    RC_ASSERT(across <= host.across_gap_uj);
  }
}

}  // namespace
}  // namespace vpowercap
