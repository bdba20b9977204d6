// SPDX-License-Identifier: Apache-2.0
#include "host/sampler/zone_counter.hpp"

#include <rapidcheck/gtest.h>

#include "common/units/wide.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t joule = 1'000'000;

/// An AMD package: 65.5 kJ, at most 1 kW, looked at every second.
struct Counter : ::testing::Test {
  ZoneCounter counter;
  Nanoseconds now = 1000s;
  std::uint64_t raw = 5'000 * joule;
  static constexpr std::uint64_t range = 65'532'610'987;

  Counter() { (void)counter.look(seen(raw)); }
  ZoneLook seen(std::optional<std::uint64_t> value) const {
    return {value, now, range, 1000 * joule, 1s, 0s, 1'000'000'000, true};
  }
  ZoneStep after(Nanoseconds time, std::optional<std::uint64_t> value, Nanoseconds suspended = 0s) {
    now += time;
    auto look = seen(value);
    look.suspended = suspended;
    return counter.look(look);
  }
  ZoneStep drawn(Nanoseconds time, std::uint64_t energy) {
    raw = (raw + energy) % range;
    return after(time, raw);
  }
};

TEST_F(Counter, CountsFromReadingToReadingAndAcrossAWrap) {
  const auto step = drawn(1s, 70 * joule);
  EXPECT_EQ(step.energy->count, 70 * joule);
  EXPECT_EQ(step.interval, 1s);
  EXPECT_FALSE(step.is_across || step.begins_gap || step.is_pending);
  raw = range - 20 * joule;
  counter = ZoneCounter(raw, now, 0s);
  EXPECT_EQ(drawn(1s, 50 * joule).energy->count, 50 * joule);
}

TEST_F(Counter, AFirstValueIsABaseAndNoGap) {
  ZoneCounter fresh;
  const auto step = fresh.look(seen(raw));
  EXPECT_FALSE(step.energy || step.begins_gap);
  EXPECT_EQ(fresh.base()->raw_uj, raw);
}

TEST_F(Counter, AnOrdinaryGapOfSecondsIsBridgedInOnePiece) {
  auto step = after(1s, std::nullopt);
  EXPECT_TRUE(step.begins_gap && step.is_pending);
  EXPECT_EQ(step.gap, 1s);
  step = after(29s, std::nullopt);
  EXPECT_FALSE(step.begins_gap);
  EXPECT_EQ(step.gap, 29s);
  step = drawn(10s, 4'000 * joule);
  EXPECT_EQ(step.energy->count, 4'000 * joule);
  EXPECT_EQ(step.interval, 40s);
  EXPECT_TRUE(step.is_across);
  EXPECT_EQ(step.gap, 10s);
  EXPECT_EQ(step.lost, 0s);
  EXPECT_FALSE(drawn(1s, joule).is_across);
}

TEST_F(Counter, ALateTickIsAGapThoughNoReadingFailed) {
  EXPECT_FALSE(drawn(1500ms, joule).begins_gap);
  const auto step = drawn(1501ms, joule);
  EXPECT_TRUE(step.begins_gap && step.is_across);
  EXPECT_EQ(step.gap, 1501ms);
  EXPECT_FALSE(counter.gap_until());
}

TEST_F(Counter, AnIntervalThatHasRoomForTwoWrapsIsLostNotGuessed) {
  // At 1 kW 70 s hold 70 kJ: 3 kJ may as well be 68.5 kJ. 40 kJ can only be 40 kJ.
  const auto lost = drawn(70s, 3'000 * joule);
  EXPECT_FALSE(lost.energy);
  EXPECT_TRUE(lost.begins_gap);
  EXPECT_EQ(lost.gap, 70s);
  EXPECT_EQ(lost.lost, 70s);
  EXPECT_NE(lost.problem.find("more than once"), std::string::npos) << lost.problem;
  EXPECT_EQ(drawn(1s, joule).energy->count, joule);
  EXPECT_EQ(drawn(70s, 40'000 * joule).energy->count, 40'000 * joule);
}

TEST_F(Counter, AResetIsNoWrap) {
  const auto step = after(1s, 3 * joule);
  EXPECT_FALSE(step.energy);
  EXPECT_EQ(step.lost, 1s);
  EXPECT_NE(step.problem.find("reset"), std::string::npos) << step.problem;
  EXPECT_EQ(after(1s, 10 * joule).energy->count, 7 * joule);
}

TEST_F(Counter, ASuspendIsAGapWithItsLength) {
  const auto step = after(1s, raw + 300 * joule, 3600s);
  EXPECT_FALSE(step.energy);
  EXPECT_EQ(step.gap, 3601s);
  EXPECT_EQ(step.lost, 3601s);
  EXPECT_EQ(after(1s, raw + 310 * joule).energy->count, 10 * joule);
}

TEST_F(Counter, AnUnreadableCounterAfterASuspendStartsAnewWhenItIsBack) {
  auto step = after(1s, std::nullopt, 60s);
  EXPECT_EQ(step.gap, 61s);
  EXPECT_EQ(step.lost, 60s);
  step = after(2s, raw + joule);
  EXPECT_FALSE(step.energy);
  EXPECT_EQ(step.gap, 2s);
  EXPECT_EQ(step.lost, 3s);
  EXPECT_EQ(after(1s, raw + 2 * joule).energy->count, joule);
}

TEST_F(Counter, AValueThatStaysWaitsForTheNextAndIsNoGap) {
  EXPECT_TRUE(drawn(1s, 0).is_pending);
  EXPECT_FALSE(drawn(1s, 0).begins_gap);
  const auto step = drawn(1s, 150 * joule);
  EXPECT_EQ(step.energy->count, 150 * joule);
  EXPECT_EQ(step.interval, 3s);
  EXPECT_TRUE(step.is_across);
  EXPECT_FALSE(step.begins_gap);
}

TEST_F(Counter, AStuckCounterIsAGapToldOnceUntilItMoves) {
  int told = 0;
  Nanoseconds gap{0};
  for (int tick = 1; tick <= 15; ++tick) {
    const auto step = drawn(1s, 0);
    told += step.problem.empty() ? 0 : 1;
    EXPECT_EQ(step.begins_gap, tick == ZoneCounter::stuck_ticks) << tick;
    gap += step.gap;
  }
  EXPECT_EQ(told, 1);
  EXPECT_EQ(gap, 15s);
  const auto step = drawn(1s, 9 * joule);
  EXPECT_EQ(step.energy->count, 9 * joule);
  EXPECT_EQ(step.gap, 1s);
  EXPECT_FALSE(counter.gap_until());
}

TEST_F(Counter, AZoneThatMayDrawNothingIsNeverStuck) {
  for (int tick = 0; tick < 20; ++tick) {
    now += 1s;
    auto look = seen(raw);
    look.always_draws = false;
    const auto step = counter.look(look);
    EXPECT_EQ(step.energy->count, 0u);
    EXPECT_FALSE(step.begins_gap);
  }
}

TEST_F(Counter, AnIdleMachineIsNotStuck) {
  for (int tick = 0; tick < 20; ++tick) {
    now += 1s;
    auto look = seen(raw);
    look.busy_ns = 90'000'000;
    EXPECT_FALSE(counter.look(look).begins_gap);
  }
}

TEST_F(Counter, AZoneThatIsAwayCountsItsGapWhenItIsBack) {
  EXPECT_TRUE(counter.miss(now, 0s).begins_gap);
  EXPECT_FALSE(counter.miss(now, 0s).begins_gap);
  const auto step = drawn(20s, 500 * joule);
  EXPECT_EQ(step.energy->count, 500 * joule);
  EXPECT_EQ(step.gap, 20s);
}

TEST_F(Counter, WithRoomForTwoWrapsNothingIsAwaitedAnyMore) {
  EXPECT_TRUE(after(131s, std::nullopt).is_pending);
  EXPECT_FALSE(after(1s, std::nullopt).is_pending);
  EXPECT_FALSE(counter.miss(now, 0s).is_pending);
  EXPECT_FALSE(drawn(0s, 0).is_pending);
  EXPECT_FALSE(drawn(1s, range - 1).energy);
}

TEST_F(Counter, AValueAboveTheRangeIsNone) {
  const auto step = after(1s, range + 1);
  EXPECT_TRUE(step.begins_gap);
  EXPECT_NE(step.problem.find("max_energy_range_uj"), std::string::npos);
  EXPECT_EQ(drawn(1s, joule).energy->count, joule);
}

TEST_F(Counter, ASecondLookAtTheSameInstantTakesNothingAway) {
  EXPECT_FALSE(drawn(0s, 2 * joule).energy);
  EXPECT_EQ(drawn(1s, 3 * joule).energy->count, 5 * joule);
}

TEST_F(Counter, ACounterThatCannotGoOnIsAGapUpToItsFirstValue) {
  auto broken = ZoneCounter::broken_off(now, Nanoseconds(0));
  now += 25s;
  const auto step = broken.look(seen(raw));
  EXPECT_TRUE(step.begins_gap);
  EXPECT_EQ(step.gap, 25s);
  EXPECT_EQ(step.lost, 25s);
}

TEST_F(Counter, AnOpenGapIsNotToldTwiceByASuccessor) {
  EXPECT_EQ(after(5s, std::nullopt).gap, 5s);
  counter = ZoneCounter(counter.base()->raw_uj, counter.base()->taken, *counter.gap_until());
  const auto step = drawn(2s, joule);
  EXPECT_FALSE(step.begins_gap);
  EXPECT_EQ(step.gap, 2s);
  EXPECT_EQ(step.interval, 7s);
}

/// What happens to the counter between two looks.
enum class Event { none, unreadable, away, stale, suspend, suspend_with_reset, reset, above_range };

/// A zone that draws at most its bound is counted exactly or not at all, whatever else goes wrong, and
/// each instant is either counted, lost, or waiting for its energy.
RC_GTEST_PROP(ZoneCounterLaw, CountsNoMoreThanWasDrawnAndForgetsNoTime, ()) {
  const auto range = *rc::gen::inRange<std::uint64_t>(2'000 * joule, 300'000 * joule);
  const auto bound = *rc::gen::inRange<std::uint64_t>(50 * joule, 1500 * joule);
  ZoneCounter counter;
  Nanoseconds now = 1000s;
  const Nanoseconds start = now;
  std::uint64_t raw = *rc::gen::inRange<std::uint64_t>(0, range);
  std::uint64_t shown = raw;
  Wide drawn = 0;
  Wide counted = 0;
  Nanoseconds covered{0};
  Nanoseconds lost{0};
  Nanoseconds gap{0};
  Nanoseconds slept{0};
  bool was_reset = false;
  Wide shown_drawn = 0;       // what was drawn when the shown value was true
  Wide base_drawn = 0;        // the same of the base
  bool is_base_exact = true;  // the base is of its time and there was no reset since
  (void)counter.look({raw, now, range, bound, 1s, 0s, 0, true});
  const int ticks = *rc::gen::inRange(1, 60);
  for (int t = 0; t < ticks; ++t) {
    const auto event = static_cast<Event>(std::max(0, *rc::gen::inRange(-6, 8)));
    const Nanoseconds length(*rc::gen::weightedOneOf<std::int64_t>(
        {{8, rc::gen::inRange<std::int64_t>(100'000'000, 2'000'000'000)},
         {1, rc::gen::inRange<std::int64_t>(2'000'000'000, 900'000'000'000)}}));
    now += length;
    const auto energy = *rc::gen::inRange<std::uint64_t>(0, energy_of(bound, length).count + 1);
    drawn += energy;
    raw = static_cast<std::uint64_t>((Wide(raw) + energy) % range);
    ZoneLook look{raw, now, range, bound, 1s, 0s, 0, true};
    look.busy_ns = *rc::gen::inRange<std::uint64_t>(0, 2'000'000'000);
    if (event == Event::suspend || event == Event::suspend_with_reset) {
      look.suspended = Nanoseconds(*rc::gen::inRange<std::int64_t>(1, 1'000'000'000'000));
      slept += look.suspended;
    }
    if (event == Event::suspend_with_reset || event == Event::reset) {
      raw = *rc::gen::inRange<std::uint64_t>(0, joule);
      look.raw_uj = raw;
    }
    if (event == Event::unreadable) look.raw_uj.reset();
    if (event == Event::above_range) look.raw_uj = range + 1 + raw;
    if (event == Event::stale) look.raw_uj = shown;
    const bool is_away = event == Event::away;
    const auto base = counter.base();
    const auto step = is_away ? counter.miss(now, look.suspended) : counter.look(look);
    if (!is_away && event != Event::stale && look.raw_uj && *look.raw_uj <= range) {
      shown = *look.raw_uj;
      shown_drawn = drawn;
    }
    if (step.energy) {
      counted += step.energy->count;
      covered += step.interval;
      RC_ASSERT(step.energy->count <= energy_of(bound, step.interval + ZoneCounter::lateness).count);
      RC_ASSERT(base && step.interval == now - base->taken);
    }
    was_reset = was_reset || event == Event::reset;
    is_base_exact = is_base_exact && event != Event::reset;
    if (step.energy && is_base_exact) RC_ASSERT(step.energy->count == shown_drawn - base_drawn);
    if (counter.base() && (!base || counter.base()->taken != base->taken)) {
      base_drawn = shown_drawn;
      is_base_exact = event != Event::stale;
    }
    gap += step.gap;
    lost += step.lost;
    RC_ASSERT(lost <= gap);
    RC_ASSERT(gap <= now - start + slept);
    if (const auto now_base = counter.base())
      RC_ASSERT(covered + lost + (now - now_base->taken) == now - start + slept);
  }
  // Only a reset that looks like a wrap with little energy can hide.
  if (!was_reset) RC_ASSERT(counted <= drawn);
}

}  // namespace
}  // namespace vpowercap
