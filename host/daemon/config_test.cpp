// SPDX-License-Identifier: Apache-2.0
#include "host/daemon/config.hpp"

namespace vpowercap {
namespace {

/// What read_config() says against a command line; "" when it takes it.
std::string refusal(std::vector<const char*> words) {
  words.insert(words.begin(), "vpowercapd");
  try {
    (void)read_config(*parse_options(daemon_spec(), static_cast<int>(words.size()), words.data()));
  } catch (const UsageError& error) {
    return error.message;
  }
  return "";
}

TEST(Config, ReadersWaitForThreeTicksAtLeast) {
  EXPECT_EQ(refusal({"--tick", "20"}), "");
  EXPECT_EQ(refusal({"--tick", "60", "--stale-after", "180"}), "");
  EXPECT_EQ(refusal({"--stale-after", "3"}), "");
  for (const auto& words : std::vector<std::vector<const char*>>{
           {"--tick", "60"}, {"--tick", "20.1"}, {"--stale-after", "2.9"}}) {
    const auto said = refusal(words);
    EXPECT_NE(said.find("stale-after: "), std::string::npos) << words[1];
    EXPECT_NE(said.find("three times tick"), std::string::npos) << said;
  }
}

TEST(Config, AQuantumIsNoMoreThanACounterHolds) {
  EXPECT_EQ(refusal({"--quantum-uj", "999999", "--max-energy-range-uj", "1000000"}), "");
  const auto said = refusal({"--quantum-uj", "1000000", "--max-energy-range-uj", "1000000"});
  EXPECT_NE(said.find("quantum-uj: "), std::string::npos) << said;
}

}  // namespace
}  // namespace vpowercap
