// SPDX-License-Identifier: Apache-2.0
#include "common/share/request_timeouts.hpp"

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

struct RequestTimeouts : ::testing::Test {
  testing::TempDir dir;

  void set(const std::string& name, const std::string& value) {
    dir.write("sys/fs/fuse/" + name, value + "\n");
  }
  [[nodiscard]] std::string trouble() const { return request_timeout_trouble(dir.path("")); }
};

constexpr auto cost = " s loses the mount and what guests have open there; set ";

TEST_F(RequestTimeouts, OfOlderKernelsAreNone) { EXPECT_EQ(trouble(), ""); }

TEST_F(RequestTimeouts, ThatAreZeroAreNone) {
  set("default_request_timeout", "0");
  set("max_request_timeout", "0");
  EXPECT_EQ(trouble(), "");
}

TEST_F(RequestTimeouts, OneThatIsSetIsNamed) {
  set("default_request_timeout", "0");
  set("max_request_timeout", "120");
  EXPECT_EQ(trouble(), "fs.fuse.max_request_timeout is 120: a server that is away for 120" +
                           std::string(cost) + "it to 0 (sysctl)");
}

TEST_F(RequestTimeouts, BothAreNamedAndTheShorterCounts) {
  set("default_request_timeout", "60");
  set("max_request_timeout", "20");
  EXPECT_EQ(
      trouble(),
      "fs.fuse.default_request_timeout is 60 and fs.fuse.max_request_timeout is 20: a server that "
      "is away for 20" +
          std::string(cost) + "both to 0 (sysctl)");
}

}  // namespace
}  // namespace vpowercap
