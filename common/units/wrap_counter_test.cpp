// SPDX-License-Identifier: Apache-2.0
#include "common/units/wrap_counter.hpp"

#include <rapidcheck/gtest.h>

namespace vpowercap {
namespace {

TEST(WrapCounter, CountsForwardWithoutWrap) {
  EXPECT_EQ(WrapCounter{150}.delta({100}, 1000)->count, 50u);
  EXPECT_EQ(WrapCounter{100}.delta({100}, 1000)->count, 0u);
}

TEST(WrapCounter, CountsAcrossOneWrap) { EXPECT_EQ(WrapCounter{10}.delta({990}, 1000)->count, 20u); }

TEST(WrapCounter, RefusesReadingsAboveTheRange) {
  EXPECT_EQ(WrapCounter{1001}.delta({0}, 1000).error().code, ERANGE);
  EXPECT_EQ(WrapCounter{0}.delta({1001}, 1000).error().code, ERANGE);
  EXPECT_EQ(WrapCounter{0}.delta({0}, 0).error().code, ERANGE);
}

RC_GTEST_PROP(WrapCounter, DeltaUndoesAnyAdvanceBelowTheRange, ()) {
  const auto range = *rc::gen::inRange<std::uint64_t>(1, UINT64_MAX / 2);
  const auto start = *rc::gen::inRange<std::uint64_t>(0, range);
  const auto advance = *rc::gen::inRange<std::uint64_t>(0, range);
  const WrapCounter later{(start + advance) % range};
  RC_ASSERT(later.delta({start}, range)->count == advance);
}

}  // namespace
}  // namespace vpowercap
