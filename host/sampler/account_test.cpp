// SPDX-License-Identifier: Apache-2.0
#include "host/sampler/account.hpp"

#include <rapidcheck/gtest.h>

#include <set>

#include "common/units/wide.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

Uuid uuid_of(std::uint8_t number) {
  Uuid uuid;
  uuid.bytes[15] = number;
  return uuid;
}

VmDescription vm_of(std::uint8_t number, std::uint32_t vcpus = 1, std::uint32_t sockets = 1) {
  VmDescription vm{.uuid = uuid_of(number),
                   .name = "vm" + std::to_string(number),
                   .pid = 100 + number,
                   .pid_start_ticks = 1};
  vm.topology = {vcpus, sockets};
  return vm;
}

ZoneReading package_reading(std::uint64_t raw, Nanoseconds taken) {
  return {"intel-rapl:0", "package-0", EnergyDomain::package, 0, 262143328850, raw, taken};
}

VmTick worked(std::uint8_t vm, std::uint64_t ns, Nanoseconds alive = 1s) {
  VmTick tick{.uuid = uuid_of(vm), .alive = alive};
  tick.work[0] = {ns, {ns}};
  return tick;
}

struct Books : ::testing::Test {
  Account account{AccountOptions{.policy = IdlePolicy::none}};
  Nanoseconds now = 1000s;
  std::uint64_t raw = 5'000'000;

  void SetUp() override {
    account.describe_host(Method::rapl, 2, {0});
    account.admit(vm_of(1), now);
    (void)tick({}, 0);
  }
  std::vector<Error> tick(std::vector<VmTick> vms, std::uint64_t energy,
                          std::uint64_t busy = 1'000'000'000) {
    now += 1s;
    raw += energy;
    return account.book({now, {package_reading(raw, now)}, {{0, busy}}, {{0, busy}}, std::move(vms)});
  }
  const VmRecord& vm(std::uint8_t number = 1) { return account.vms().at(uuid_of(number)); }
  const HostZoneRecord& zone() { return account.host().zones[0]; }
};

TEST_F(Books, TheFirstReadingIsABaseNotEnergy) {
  EXPECT_EQ(zone().energy_uj, 0u);
  EXPECT_EQ(vm().energy_sum(EnergyDomain::package), 0u);
  EXPECT_EQ(vm().zone(0, EnergyDomain::package).published_uj, 1000u);
}

TEST_F(Books, AVmGetsItsPartAndPowerIsItsRate) {
  (void)tick({worked(1, 250'000'000)}, 40'000'000);
  EXPECT_EQ(vm().energy_sum(EnergyDomain::package), 10'000'000u);
  EXPECT_EQ(vm().power_uw, 10'000'000u);
  EXPECT_EQ(zone().remainder_uj, 30'000'000u);
  EXPECT_EQ(zone().power_uw, 40'000'000u);
}

TEST_F(Books, ABadZoneTakesNothingFromTheOtherZonesAndTheVms) {
  now += 1s;
  raw += 40'000'000;
  auto bad = package_reading(0, now);
  bad.id = "intel-rapl:1";
  bad.package = 1;
  bad.raw_uj.reset();
  Tick both{.now = now};
  both.zones = {bad, package_reading(raw, now)};
  both.busy_ns = {{0, 1'000'000'000}};
  both.vms = {worked(1, 250'000'000)};
  (void)account.book(both);
  EXPECT_EQ(zone().energy_uj, 40'000'000u);
  EXPECT_EQ(vm().energy_sum(EnergyDomain::package), 10'000'000u);
}

TEST_F(Books, PublishedValuesChangeOnlyOnTheGrid) {
  auto slow = vm_of(1);
  slow.settings.grid_ns = 10'000'000'000;
  account.admit(slow, now);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 30; ++i) {
    (void)tick({worked(1, 1'000'000'000)}, 1'500'000);
    seen.insert(vm().published_sum(EnergyDomain::package));
  }
  EXPECT_LE(seen.size(), 4u);
  EXPECT_GE(seen.size(), 3u);
}

TEST_F(Books, AnUnreadableZoneIsAGapAndItsEnergyComesLaterWithoutASpike) {
  now += 1s;
  auto gone = package_reading(0, now);
  gone.raw_uj.reset();
  (void)account.book({now, {gone}, {{0, 1'000'000'000}}, {}, {worked(1, 1'000'000'000)}});
  EXPECT_EQ(zone().gaps, 1u);
  EXPECT_EQ(zone().energy_uj, 0u);
  (void)tick({worked(1, 1'000'000'000)}, 80'000'000);
  EXPECT_EQ(zone().energy_uj, 80'000'000u);
  EXPECT_EQ(vm().power_uw, 40'000'000u);
}

TEST_F(Books, AJumpBeyondPhysicsIsAGapNotAValue) {
  const auto problems = tick({worked(1, 1'000'000'000)}, 6'000'000'000);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_NE(problems[0].message.find("intel-rapl:0"), std::string::npos);
  EXPECT_EQ(zone().gaps, 1u);
  EXPECT_EQ(zone().energy_uj, 0u);
  (void)tick({worked(1, 1'000'000'000)}, 7'000'000);
  EXPECT_EQ(zone().energy_uj, 7'000'000u);
}

TEST_F(Books, AResumedBookGoesOnWithEveryCounter) {
  (void)tick({worked(1, 1'000'000'000)}, 40'000'000);
  Account successor{AccountOptions{.policy = IdlePolicy::none}};
  successor.resume(account.host(), {vm()}, Method::rapl);
  successor.describe_host(Method::rapl, 2, {0});
  now += 10s;
  raw += 100'000'000;
  (void)successor.book(
      {now, {package_reading(raw, now)}, {{0, 10'000'000'000}}, {}, {worked(1, 5'000'000'000, 10s)}});
  EXPECT_EQ(successor.host().zones[0].energy_uj, 140'000'000u);
  EXPECT_EQ(successor.vms().at(uuid_of(1)).energy_sum(EnergyDomain::package), 90'000'000u);
}

TEST_F(Books, AStoppedVmKeepsItsValuesForAWhile) {
  (void)tick({worked(1, 1'000'000'000)}, 40'000'000);
  account.stop(uuid_of(1), now);
  EXPECT_TRUE(account.take_expired(now + 599s).empty());
  EXPECT_EQ(vm().energy_sum(EnergyDomain::package), 40'000'000u);
  EXPECT_EQ(account.take_expired(now + 601s).size(), 1u);
}

TEST_F(Books, StoppedVmsMakeWayWhereTheLedgerIsFull) {
  for (std::uint32_t i = 0; i < max_vms; ++i) {
    auto other = vm_of(2);
    other.uuid.bytes[1] = static_cast<std::uint8_t>(i / 256);
    other.uuid.bytes[2] = static_cast<std::uint8_t>(i % 256);
    account.admit(other, now);
    account.stop(other.uuid, now + Nanoseconds(i ^ 1));
  }
  ASSERT_EQ(account.vms().size(), max_vms + 1);
  const auto expired = account.take_expired(now + 1s);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].bytes[2], 1) << "not the one that stopped first";
  EXPECT_EQ(vm().state, VmState::running);
  account.admit(vm_of(3), now);
  account.admit(vm_of(4), now);
  EXPECT_EQ(account.take_expired(now + 1s).size(), 2u);
  EXPECT_EQ(account.vms().size(), max_vms);
  EXPECT_TRUE(account.take_expired(now + 1s).empty());
}

TEST_F(Books, ZonesBeyondTheLimitAreNamedAndTakeNothingFromTheOthers) {
  auto readings = [&](std::uint64_t more) {
    now += 1s;
    std::vector<ZoneReading> zones;
    for (std::uint32_t i = 0; i <= max_host_zones; ++i) {
      const auto number = std::to_string(i);
      zones.push_back({"intel-rapl:" + number, "package-" + number, EnergyDomain::package, i,
                       262143328850, raw + more, now});
    }
    return account.book({now, std::move(zones), {}, {}, {}});
  };
  (void)readings(0);
  const auto problems = readings(40'000'000);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].code, ENOSPC);
  EXPECT_NE(problems[0].message.find("intel-rapl:64: more than 64 zones"), std::string::npos);
  EXPECT_EQ(account.host().zone_count, max_host_zones);
  for (const auto& record : account.host().zones) EXPECT_EQ(record.energy_uj, 40'000'000u);
}

TEST_F(Books, FewerSocketsAfterAPowerCycleLoseNoEnergy) {
  account.admit(vm_of(2, 4, 2), now);
  VmTick both{.uuid = uuid_of(2), .alive = 1s};
  both.work[0] = {1'000'000'000, {750'000'000, 250'000'000}};
  (void)tick({both}, 40'000'000);
  EXPECT_EQ(vm(2).zone(0, EnergyDomain::package).dynamic_uj, 30'000'000u);
  EXPECT_EQ(vm(2).zone(1, EnergyDomain::package).dynamic_uj, 10'000'000u);
  account.admit(vm_of(2, 4, 1), now);
  EXPECT_EQ(vm(2).energy_sum(EnergyDomain::package), 40'000'000u);
}

/// A host with two packages and dram, whose counters wrap every few ticks, and VMs that come and go.
RC_GTEST_PROP(Account, VmsAndRemainderMakeUpTheZonesAndNothingGoesBack, ()) {
  const auto policy =
      *rc::gen::element(IdlePolicy::reserved, IdlePolicy::usage, IdlePolicy::equal, IdlePolicy::none);
  constexpr std::uint64_t bound_uw = 5'000'000'000;
  Account account{AccountOptions{
      .policy = policy, .idle_uw = {9'000'000, 0, 0, 2'000'000}, .max_zone_uw = bound_uw}};
  account.describe_host(Method::rapl, 4, {0, 1});
  struct Zone {
    std::string id;
    EnergyDomain domain;
    std::uint32_t package;
    std::uint64_t raw;
    std::uint64_t all;
  };
  std::vector<Zone> zones{{"intel-rapl:0", EnergyDomain::package, 0, 0, 0},
                          {"intel-rapl:0:0", EnergyDomain::dram, 0, 0, 0},
                          {"intel-rapl:1", EnergyDomain::package, 1, 0, 0}};
  constexpr std::uint64_t range = 20'000'000'000;  // 4 s at the bound
  std::map<Uuid, VmRecord> before;
  std::set<std::uint8_t> alive;
  Nanoseconds now = 100s;
  const int ticks = *rc::gen::inRange(2, 40);
  for (int t = 0; t < ticks; ++t) {
    const auto length = Nanoseconds(*rc::gen::inRange<std::int64_t>(200'000'000, 3'000'000'000));
    now += length;
    const auto vm = static_cast<std::uint8_t>(*rc::gen::inRange(1, 6));
    if (alive.contains(vm)) {
      account.stop(uuid_of(vm), now);
      alive.erase(vm);
    } else {
      account.admit(vm_of(vm, *rc::gen::inRange(1u, 9u), *rc::gen::inRange(1u, 3u)), now);
      alive.insert(vm);
    }
    Tick tick{.now = now};
    for (auto& zone : zones) {
      const auto most = energy_of(bound_uw, length).count;
      const auto energy = t == 0 ? 0 : *rc::gen::inRange<std::uint64_t>(1, most);
      zone.raw = (zone.raw + energy) % range;
      zone.all += energy;
      tick.zones.push_back({zone.id, "z", zone.domain, zone.package, range, zone.raw, now});
    }
    for (const auto number : alive) {
      VmTick worker{.uuid = uuid_of(number),
                    .alive = *rc::gen::inRange<std::int64_t>(0, 2) ? length : length / 2};
      for (std::uint32_t package = 0; package < 2; ++package) {
        const auto work = *rc::gen::inRange<std::uint64_t>(0, 4'000'000'000);
        worker.work[package] = {work, {work / 2, work / 3}};
      }
      tick.vms.push_back(worker);
    }
    tick.busy_ns = {{0, *rc::gen::inRange<std::uint64_t>(0, 8'000'000'000)}};
    RC_ASSERT(account.book(tick).empty());
    for (const auto& [uuid, record] : account.vms()) {
      const auto last = before.find(uuid);
      if (last == before.end()) continue;
      for (const auto domain : virtual_domains) {
        RC_ASSERT(record.energy_sum(domain) >= last->second.energy_sum(domain));
        for (std::uint32_t socket = 0; socket < std::min(record.sockets, last->second.sockets);
             ++socket)
          RC_ASSERT(record.zone(socket, domain).published_uj >=
                    last->second.zone(socket, domain).published_uj);
      }
    }
    before = account.vms();
    for (const auto domain : {EnergyDomain::package, EnergyDomain::dram}) {
      Wide zones_all = 0;
      Wide remainder = 0;
      Wide vms_all = 0;
      for (std::size_t z = 0; z < zones.size(); ++z) {
        const auto& record = account.host().zones[z];
        RC_ASSERT(record.energy_uj == zones[z].all);
        if (zones[z].domain != domain) continue;
        zones_all += record.energy_uj;
        remainder += record.remainder_uj;
      }
      for (const auto& [uuid, record] : account.vms()) vms_all += record.energy_sum(domain);
      RC_ASSERT(vms_all + remainder == zones_all);
    }
  }
}

}  // namespace
}  // namespace vpowercap
