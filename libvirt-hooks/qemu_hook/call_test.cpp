// SPDX-License-Identifier: Apache-2.0
#include "libvirt-hooks/qemu_hook/call.hpp"

#include <rapidcheck/gtest.h>

namespace vpowercap {
namespace {

std::optional<HookCall> parse(std::vector<const char*> words) { return parse_call(words); }

TEST(HookCall, TakesAnyNameBehindTheDashes) {
  for (const char* name : {"web", "-rf", "--help", "--run-dir", "--", "", "two\nlines"}) {
    const auto call = parse({"--run-dir", "/run/x", "--", name, "prepare", "begin", "-"});
    ASSERT_TRUE(call) << name;
    EXPECT_EQ(call->run_dir, "/run/x");
    EXPECT_EQ(call->name, name);
    EXPECT_EQ(call->phase, "prepare");
    EXPECT_EQ(call->sub, "begin");
  }
}

TEST(HookCall, NeedsNeitherOptionsNorSubOperation) {
  EXPECT_EQ(parse({"web", "reconnect"})->phase, "reconnect");
  EXPECT_EQ(parse({"--", "web", "x"})->name, "web");
  for (const auto& words : std::vector<std::vector<const char*>>{{},
                                                                 {"web"},
                                                                 {"--"},
                                                                 {"--", "web"},
                                                                 {"--run-dir"},
                                                                 {"--run-dir", "x"},
                                                                 {"--run-dir", "x", "web"}})
    EXPECT_FALSE(parse(words));
}

TEST(HookCall, FindsTheUuidOfADomain) {
  const std::string uuid = "c7a5fdbd-edaf-9455-926a-d65c16db1809";
  EXPECT_EQ(
      find_uuid("<domain id='1'>\n <name>&lt;uuid&gt;</name>\n <uuid>" + uuid + "</uuid>")->to_string(),
      uuid);
  EXPECT_FALSE(find_uuid(""));
  EXPECT_FALSE(find_uuid("<uuid>" + uuid));
  EXPECT_FALSE(find_uuid("<uuid>../../../../../../../etc/../../etc/aa</uuid>"));
}

RC_GTEST_PROP(HookCall, FindingAUuidInAnyTextEndsCleanly, (const std::string& text)) {
  (void)find_uuid(text);
  (void)find_uuid("<uuid>" + text + "<");
}

}  // namespace
}  // namespace vpowercap
