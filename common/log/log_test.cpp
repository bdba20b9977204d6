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

TEST(LogStart, RefusesUnknownLevels) {
  EXPECT_THROW(log::start("test", "loud"), std::invalid_argument);
  EXPECT_NO_THROW(log::start("test", "warning"));
}

}  // namespace
}  // namespace vpowercap
