// SPDX-License-Identifier: Apache-2.0
// Laws of the books: what must come out the same when the same thing is said in another way.
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/units/wide.hpp"
#include "host/sampler/account.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t host_cpus = 16;
constexpr std::uint64_t idle_uw = 20'000'000;

Uuid uuid_of(std::size_t number) {
  Uuid uuid;
  uuid.bytes[15] = static_cast<std::uint8_t>(number + 1);
  return uuid;
}

/// A VM as the laws know it: vCPUs and CPU time per tick.
struct Guest {
  std::uint32_t vcpus = 1;
  std::vector<std::uint64_t> work_ns;
};

/// What happens on a host with one package: per tick its length, energy and the host's own CPU time.
struct Story {
  std::vector<Nanoseconds> lengths;
  std::vector<std::uint64_t> energy_uj;
  std::vector<std::uint64_t> host_ns;
  std::vector<Guest> guests;
};

/// What one VM has got.
struct Got {
  std::uint64_t idle_uj = 0;
  std::uint64_t dynamic_uj = 0;
};

/// Books the story; `order` says in which order the VMs stand in each tick.
std::vector<Got> book(const Story& story, std::vector<std::size_t> order = {}) {
  if (order.empty()) {
    order.resize(story.guests.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
  }
  Account account{AccountOptions{.idle_uw = {idle_uw, 0, 0, 0}}};
  account.describe_host(Method::rapl, host_cpus, {0});
  Nanoseconds now = 1000s;
  std::uint64_t raw = 7;
  const auto tick_of = [&](const std::vector<VmTick>& vms, std::uint64_t busy) {
    Tick tick{.now = now};
    tick.zones = {{"intel-rapl:0", "package-0", EnergyDomain::package, 0, 262'143'328'850, raw, now}};
    tick.busy_ns[0] = busy;
    tick.vms = vms;
    return tick;
  };
  for (const auto i : order) {
    VmDescription vm{.uuid = uuid_of(i), .name = "vm", .pid = 100, .pid_start_ticks = 1};
    vm.topology = {story.guests[i].vcpus, 1};
    account.admit(vm, now);
  }
  RC_ASSERT(account.book(tick_of({}, 0)).empty());
  for (std::size_t t = 0; t < story.lengths.size(); ++t) {
    now += story.lengths[t];
    raw += story.energy_uj[t];
    std::uint64_t busy = story.host_ns[t];
    std::vector<VmTick> vms;
    for (const auto i : order) {
      const auto work = story.guests[i].work_ns[t];
      busy += work;
      vms.push_back({.uuid = uuid_of(i), .alive = story.lengths[t]});
      vms.back().work[0] = {work, {work}};
    }
    RC_ASSERT(account.book(tick_of(vms, busy)).empty());
  }
  std::vector<Got> got;
  for (std::size_t i = 0; i < story.guests.size(); ++i) {
    const auto& zone = account.vms().at(uuid_of(i)).zone(0, EnergyDomain::package);
    got.push_back({zone.idle_uj, zone.dynamic_uj});
  }
  return got;
}

/// Ticks of 0.5 to 2 s that draw 20 to 120 W, `count` VMs of 1 to 8 vCPUs; overcommitted or not.
Story any_story(std::size_t ticks, std::size_t count) {
  Story story;
  for (std::size_t t = 0; t < ticks; ++t) {
    const auto ms = *rc::gen::inRange<std::int64_t>(500, 2000);
    story.lengths.push_back(std::chrono::milliseconds(ms));
    const auto watts_ms = static_cast<std::uint64_t>(ms) * *rc::gen::inRange<std::uint64_t>(20, 120);
    story.energy_uj.push_back(watts_ms * 1000 + *rc::gen::inRange<std::uint64_t>(0, 1000));
    story.host_ns.push_back(*rc::gen::inRange<std::uint64_t>(0, 2'000'000'000));
  }
  for (std::size_t i = 0; i < count; ++i) {
    Guest guest{.vcpus = *rc::gen::inRange(1u, 9u)};
    for (std::size_t t = 0; t < ticks; ++t)
      guest.work_ns.push_back(*rc::gen::inRange<std::uint64_t>(0, 4'000'000'000));
    story.guests.push_back(guest);
  }
  return story;
}

bool is_within(std::uint64_t a, std::uint64_t b, std::uint64_t bound) {
  return (a > b ? a - b : b - a) <= bound;
}

RC_GTEST_PROP(Laws, AVmSplitInTwoEqualHalvesHasTheSameSum, ()) {
  const std::size_t ticks = *rc::gen::inRange(1, 8);
  auto whole = any_story(ticks, *rc::gen::inRange(1, 6));
  whole.guests[0].vcpus *= 2;
  for (auto& work : whole.guests[0].work_ns) work *= 2;
  auto halved = whole;
  halved.guests[0].vcpus /= 2;
  for (auto& work : halved.guests[0].work_ns) work /= 2;
  halved.guests.push_back(halved.guests[0]);
  const auto one = book(whole)[0];
  const auto two = book(halved);
  // Idle and dynamic are rounded apart, each by less than 1 µJ in a tick.
  RC_ASSERT(is_within(one.idle_uj, two.front().idle_uj + two.back().idle_uj, ticks));
  RC_ASSERT(is_within(one.dynamic_uj, two.front().dynamic_uj + two.back().dynamic_uj, ticks));
}

RC_GTEST_PROP(Laws, TheOrderOfVmsChangesNothingButTheLastMicrojoule, ()) {
  const std::size_t ticks = *rc::gen::inRange(1, 8);
  const std::size_t count = *rc::gen::inRange(1, 8);
  const auto story = any_story(ticks, count);
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i)
    std::swap(order[i - 1], order[*rc::gen::inRange<std::size_t>(0, i)]);
  const auto straight = book(story);
  const auto shuffled = book(story, order);
  for (std::size_t i = 0; i < count; ++i) {
    RC_ASSERT(is_within(straight[i].idle_uj, shuffled[i].idle_uj, ticks));
    RC_ASSERT(is_within(straight[i].dynamic_uj, shuffled[i].dynamic_uj, ticks));
  }
}

RC_GTEST_PROP(Laws, AnIdleVmGetsExactlyItsIdleShare, ()) {
  auto story = any_story(1, *rc::gen::inRange(1, 8));
  story.guests[0].work_ns[0] = 0;
  const auto got = book(story)[0];
  std::uint64_t owned = 0;
  for (const auto& guest : story.guests) owned += guest.vcpus;
  const Wide idle = energy_of(idle_uw, story.lengths[0]).count;
  const Wide cpus = std::max<std::uint64_t>(owned, host_cpus);
  const auto rounded_down = static_cast<std::uint64_t>(idle * story.guests[0].vcpus / cpus);
  RC_ASSERT(got.dynamic_uj == 0u);
  RC_ASSERT(got.idle_uj == rounded_down || got.idle_uj == rounded_down + 1);
}

RC_GTEST_PROP(Laws, AReservedIdleShareDoesNotDependOnNeighbours, ()) {
  const auto story = any_story(6, *rc::gen::inRange(2, 8));
  auto other = story;
  for (std::size_t t = 0; t < 6; ++t) {
    other.energy_uj[t] += *rc::gen::inRange<std::uint64_t>(0, 90'000'000);
    other.host_ns[t] = *rc::gen::inRange<std::uint64_t>(0, 9'000'000'000);
  }
  for (std::size_t i = 1; i < other.guests.size(); ++i)
    for (auto& work : other.guests[i].work_ns)
      work = *rc::gen::inRange<std::uint64_t>(0, 9'000'000'000);
  RC_ASSERT(book(story)[0].idle_uj == book(other)[0].idle_uj);
}

/// The bound: with W the work of all on the package, s the VM's part of it and p the dynamic energy per
/// work of the two ticks that become one, a VM's energy changes by W1 W2 / (W1 + W2) |p1 - p2| |s1 -
/// s2|, and 1 µJ of rounding for each of the three bookings of idle and of dynamic. So nothing changes
/// while price or shares stay, and never more than a quarter of the price difference times the work.
RC_GTEST_PROP(Laws, DoublingTheTickChangesTotalsByNoMoreThanPriceTimesShareChange, ()) {
  const std::size_t pairs = *rc::gen::inRange(1, 5);
  const auto fine = any_story(2 * pairs, *rc::gen::inRange(1, 6));
  Story coarse;
  coarse.guests.resize(fine.guests.size());
  for (std::size_t t = 0; t < 2 * pairs; t += 2) {
    coarse.lengths.push_back(fine.lengths[t] + fine.lengths[t + 1]);
    coarse.energy_uj.push_back(fine.energy_uj[t] + fine.energy_uj[t + 1]);
    coarse.host_ns.push_back(fine.host_ns[t] + fine.host_ns[t + 1]);
    for (std::size_t i = 0; i < fine.guests.size(); ++i) {
      coarse.guests[i].vcpus = fine.guests[i].vcpus;
      coarse.guests[i].work_ns.push_back(fine.guests[i].work_ns[t] + fine.guests[i].work_ns[t + 1]);
    }
  }
  const auto by_fine = book(fine);
  const auto by_coarse = book(coarse);
  for (std::size_t i = 0; i < fine.guests.size(); ++i) {
    double bound = 3.0 * static_cast<double>(pairs) + 1e-3;
    for (std::size_t t = 0; t < 2 * pairs; t += 2) {
      double work[2];
      double share[2];
      double price[2];
      for (std::size_t k = 0; k < 2; ++k) {
        std::uint64_t all = fine.host_ns[t + k];
        for (const auto& guest : fine.guests) all += guest.work_ns[t + k];
        RC_PRE(all > 0);
        const auto idle = energy_of(idle_uw, fine.lengths[t + k]).count;
        work[k] = static_cast<double>(all);
        share[k] = static_cast<double>(fine.guests[i].work_ns[t + k]) / work[k];
        price[k] = static_cast<double>(fine.energy_uj[t + k] - idle) / work[k];
      }
      bound += work[0] * work[1] / (work[0] + work[1]) * std::abs(price[0] - price[1]) *
               std::abs(share[0] - share[1]);
    }
    const auto difference = [](std::uint64_t a, std::uint64_t b) {
      return std::abs(static_cast<double>(a) - static_cast<double>(b));
    };
    RC_ASSERT(difference(by_fine[i].dynamic_uj, by_coarse[i].dynamic_uj) <= bound);
    RC_ASSERT(difference(by_fine[i].idle_uj, by_coarse[i].idle_uj) <= 3.0 * static_cast<double>(pairs));
  }
}

}  // namespace
}  // namespace vpowercap
