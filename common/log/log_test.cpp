// SPDX-License-Identifier: Apache-2.0
#include "common/log/log.hpp"

#include <stdexcept>

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

TEST(Limiter, LetsAMessageThroughOncePerPeriod) {
  log::Limiter limiter(60s);
  EXPECT_TRUE(limiter.pass("a", 0s));
  EXPECT_FALSE(limiter.pass("a", 59s));
  EXPECT_TRUE(limiter.pass("b", 59s));
  EXPECT_TRUE(limiter.pass("a", 60s));
}

TEST(Limiter, LetsNoFloodOfDifferentMessagesThrough) {
  log::Limiter limiter(60s);
  std::size_t passed = 0;
  for (int i = 0; i < 100'000; ++i)
    if (limiter.pass(std::to_string(i), i * 1ms / 2)) ++passed;  // within 50 s
  EXPECT_EQ(passed, log::Limiter::max_keys);
  EXPECT_FALSE(limiter.pass("0", 59s)) << "what was let through is not forgotten";
  EXPECT_FALSE(limiter.pass("another", 59s));
  EXPECT_TRUE(limiter.pass("another", 61s));
  EXPECT_FALSE(limiter.pass("another", 62s));
}

TEST(LogStart, RefusesUnknownLevels) {
  EXPECT_THROW(log::start("test", "loud"), std::invalid_argument);
  EXPECT_NO_THROW(log::start("test", "warning"));
}

}  // namespace
}  // namespace vpowercap
