// SPDX-License-Identifier: Apache-2.0
#include <rapidcheck/gtest.h>

#include "common/units/wide.hpp"
#include "host/sampler/account.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t watt = 1'000'000;

Uuid uuid_of(std::uint8_t number) {
  Uuid uuid;
  uuid.bytes[15] = number;
  return uuid;
}

/// Two packages of four CPUs each, whose energy and load a test sets.
struct IdleBooks {
  Account account;
  Nanoseconds now = 1000s;
  std::map<std::uint32_t, std::uint64_t> raw{{0, 5}, {1, 5}};
  std::vector<VmTick> vms;

  explicit IdleBooks(const AccountOptions& options = {}) : account(options) {
    account.describe_host(Method::rapl, 8, {0, 1});
    tick(0, 0, 0, 0);
  }
  void admit(std::uint8_t number, std::uint32_t vcpus, TopologyView view = TopologyView::single,
             std::uint32_t sockets = 1) {
    VmDescription vm{.uuid = uuid_of(number), .name = "vm", .pid = 100 + number};
    vm.topology = {vcpus, sockets};
    vm.settings.topology = view;
    account.admit(vm, now);
    vms.push_back({.uuid = vm.uuid, .alive = 1s});
  }
  /// Energy in µJ and busy time in ns of both packages.
  void tick(std::uint64_t energy0, std::uint64_t busy0, std::uint64_t energy1, std::uint64_t busy1) {
    now += 1s;
    raw[0] += energy0;
    raw[1] += energy1;
    Tick next{.now = now, .busy_ns = {{0, busy0}, {1, busy1}}, .vms = vms};
    for (const auto& [package, value] : raw)
      next.zones.push_back({"intel-rapl:" + std::to_string(package),
                            "package-" + std::to_string(package), EnergyDomain::package, package,
                            262143328850, value, now});
    EXPECT_TRUE(account.book(next).empty());
  }
  void idle_ticks(int count) {
    for (int i = 0; i < count; ++i) tick(20 * watt, 40'000'000, 10 * watt, 40'000'000);
  }
  const HostZoneRecord& zone(std::uint32_t at = 0) { return account.host().zones[at]; }
  const VmRecord& vm(std::uint8_t number = 1) { return account.vms().at(uuid_of(number)); }
  std::uint64_t idle_of(std::uint8_t number, std::uint32_t socket = 0) {
    return vm(number).zone(socket, EnergyDomain::package).idle_uj;
  }
};

TEST(IdleOfAccount, BeforeAnythingIsLearnedAllEnergyIsDynamic) {
  IdleBooks books;
  books.idle_ticks(5);
  EXPECT_EQ(books.zone().idle_uj, 0u);
  EXPECT_EQ(books.zone().idle_method, IdleMethod::none);
  EXPECT_EQ(books.zone().idle_power_uw, 0u);
  EXPECT_EQ(books.zone().energy_uj, 100 * watt);
}

TEST(IdleOfAccount, LearnedIdlePowerIsUsedAndShownPerZone) {
  IdleBooks books;
  books.idle_ticks(40);
  const auto idle_before = books.zone().idle_uj;
  books.tick(50 * watt, 3'000'000'000, 10 * watt, 0);
  EXPECT_EQ(books.zone(0).idle_method, IdleMethod::learned);
  EXPECT_EQ(books.zone(0).idle_confidence, IdleConfidence::low);
  EXPECT_EQ(books.zone(0).idle_power_uw, 20 * watt);
  EXPECT_EQ(books.zone(1).idle_power_uw, 10 * watt);
  EXPECT_GE(books.zone(0).idle_samples, 30u);
  EXPECT_EQ(books.zone(0).idle_uj - idle_before, 20 * watt);
}

TEST(IdleOfAccount, AConfiguredValueWinsEvenZero) {
  IdleBooks books({.idle_uw = {7 * watt}});
  books.idle_ticks(100);
  EXPECT_EQ(books.zone().idle_method, IdleMethod::configured);
  EXPECT_EQ(books.zone().idle_power_uw, 7 * watt);
  IdleBooks none({.idle_uw = {0}});
  none.idle_ticks(100);
  EXPECT_EQ(none.zone().idle_method, IdleMethod::configured);
  EXPECT_EQ(none.zone().idle_uj, 0u);
}

TEST(IdleOfAccount, TheDiesOfAPackageShareItsConfiguredIdlePower) {
  Account account({.idle_uw = {8 * watt}});
  account.describe_host(Method::rapl, 4, {0});
  for (int i = 0; i < 3; ++i) {
    Tick tick{.now = 1000s + i * 1s, .busy_ns = {{0, 0}}};
    for (const char* die : {"0", "1"})
      tick.zones.push_back({std::string("intel-rapl:") + die, std::string("package-0-die-") + die,
                            EnergyDomain::package, 0, 262143328850, 5 + i * 9 * watt, tick.now});
    (void)account.book(tick);
  }
  EXPECT_EQ(account.host().zones[0].idle_power_uw, 4 * watt);
  EXPECT_EQ(account.host().zones[1].idle_power_uw, 4 * watt);
}

TEST(IdleOfAccount, AModelIsNotLearnedFrom) {
  IdleBooks books;
  books.account.describe_host(Method::model, 8, {0, 1});
  books.idle_ticks(100);
  EXPECT_TRUE(books.account.idle_memory().empty());
}

TEST(IdleOfAccount, ASuccessorGoesOnWithWhatWasLearned) {
  IdleBooks books;
  books.idle_ticks(100);
  IdleBooks successor;
  successor.account.restore_idle(books.account.idle_memory());
  successor.idle_ticks(2);
  EXPECT_EQ(successor.zone().idle_method, IdleMethod::learned);
  EXPECT_EQ(successor.zone().idle_power_uw, 20 * watt);
}

TEST(IdleOfAccount, AnUnpinnedVmPaysItsVcpusOnEveryPackage) {
  IdleBooks books({.idle_uw = {8 * watt}});
  books.admit(1, 2, TopologyView::host);
  books.tick(8 * watt, 0, 8 * watt, 0);
  EXPECT_EQ(books.idle_of(1, 0), 2 * watt);  // one of four CPUs
  EXPECT_EQ(books.idle_of(1, 1), 2 * watt);
}

TEST(IdleOfAccount, APinnedVmPaysOnItsPackageOnly) {
  IdleBooks books({.idle_uw = {8 * watt}});
  books.admit(1, 2, TopologyView::host);
  books.admit(2, 1, TopologyView::host);
  books.vms[0].reserved = {{1, {2000}}};
  books.vms[1].reserved = {{0, {1000}}};
  books.tick(8 * watt, 0, 8 * watt, 0);
  EXPECT_EQ(books.idle_of(1, 0), 0u);
  EXPECT_EQ(books.idle_of(1, 1), 4 * watt);
  EXPECT_EQ(books.idle_of(2, 0), 2 * watt);
  EXPECT_EQ(books.idle_of(2, 1), 0u);
}

TEST(IdleOfAccount, PinnedVirtualSocketsPayForTheirOwnPackage) {
  IdleBooks books({.idle_uw = {8 * watt}});
  books.admit(1, 4, TopologyView::guest, 2);
  books.vms[0].reserved = {{0, {2000, 0}}, {1, {0, 2000}}};
  books.tick(6 * watt, 0, 8 * watt, 0);  // package 0 drew less than its configured idle power
  EXPECT_EQ(books.idle_of(1, 0), 3 * watt);
  EXPECT_EQ(books.idle_of(1, 1), 4 * watt);
}

TEST(IdleOfAccount, AnOvercommittedPackageIsSharedOutToTheLastMicrojoule) {
  IdleBooks books({.idle_uw = {8 * watt}});
  books.admit(1, 6);
  books.admit(2, 2);
  books.vms[0].reserved = {{0, {6000}}};
  books.vms[1].reserved = {{0, {2000}}};
  books.tick(8 * watt, 0, 0, 0);
  EXPECT_EQ(books.idle_of(1), 6 * watt);
  EXPECT_EQ(books.idle_of(2), 2 * watt);
  EXPECT_EQ(books.zone(0).remainder_uj, 0u);
}

TEST(IdleOfAccount, AHotPluggedVcpuCostsItsShareFromItsFirstTick) {
  IdleBooks books({.idle_uw = {8 * watt}});
  books.admit(1, 4);
  books.vms[0].reserved = {{0, {1000}}};
  books.tick(8 * watt, 0, 0, 0);
  EXPECT_EQ(books.idle_of(1), 2 * watt);
  EXPECT_EQ(books.vm().owned_vcpus, 1u);
  books.vms[0].reserved = {{0, {2000}}};
  books.tick(8 * watt, 0, 0, 0);
  EXPECT_EQ(books.idle_of(1), 6 * watt);
  EXPECT_EQ(books.vm().owned_vcpus, 2u);
  EXPECT_EQ(books.vm().vcpus, 4u);
}

/// While idle power is learned and changes, at any load.
RC_GTEST_PROP(IdleOfAccount, LearningLosesAndMakesNoEnergy, ()) {
  IdleBooks books({.policy = *rc::gen::element(IdlePolicy::reserved, IdlePolicy::usage,
                                               IdlePolicy::equal, IdlePolicy::none)});
  books.admit(1, 3);
  books.admit(2, 1);
  Wide all = 0;
  const int ticks = *rc::gen::inRange(30, 120);
  for (int i = 0; i < ticks; ++i) {
    const auto energy = *rc::gen::inRange<std::uint64_t>(0, 60 * watt);
    const auto busy = *rc::gen::inRange<std::uint64_t>(0, 400'000'000);
    for (auto& vm : books.vms) vm.work[0] = {*rc::gen::inRange<std::uint64_t>(0, busy + 1), {}};
    books.tick(energy, busy, energy / 3, busy);
    all += energy + energy / 3;
  }
  Wide sum = 0;
  for (std::uint32_t zone = 0; zone < 2; ++zone) sum += books.zone(zone).remainder_uj;
  for (const std::uint8_t vm : {1, 2}) sum += books.vm(vm).energy_sum(EnergyDomain::package);
  RC_ASSERT(sum == all);
}

}  // namespace
}  // namespace vpowercap
