// SPDX-License-Identifier: Apache-2.0
// What is said of agents, by the document's table.
#include "guest/mount/known_agents.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

std::vector<Finding> advice_on(std::string_view word, const GuestShare& share) {
  std::vector<Finding> findings;
  const auto found = find_agents(word);
  advise(found, share, [&](const Finding& finding) { findings.push_back(finding); });
  return findings;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// No machine has zones here: as where the default place cannot be served.
const GuestShare elsewhere{"vpowercap", "/mnt/power"};

TEST(KnownAgents, AreThoseOfTheTable) {
  EXPECT_GT(known_agents().size(), 50u);
  for (const auto& agent : known_agents()) {
    EXPECT_FALSE(agent.name.empty());
    EXPECT_FALSE(agent.reason.empty()) << agent.name;
    EXPECT_TRUE((std::set<std::string_view>{"works", "option", "cannot"}.contains(agent.verdict)));
  }
}

TEST(KnownAgents, OtherPlacesAreOfAgentsThatAreKnown) {
  EXPECT_FALSE(other_places().empty());
  for (const auto& place : other_places()) {
    bool known = false;
    for (const auto& agent : known_agents()) known = known || agent.name.starts_with(place.agent);
    EXPECT_TRUE(known) << place.agent;
  }
}

TEST(KnownAgents, AreFoundByAPartOfTheirNameInAnyCase) {
  EXPECT_EQ(find_agents("NODE_exporter").size(), 2u);
  EXPECT_EQ(find_agents("").size(), known_agents().size());
  EXPECT_TRUE(find_agents("no such agent").empty());
}

TEST(KnownAgents, OneThatCannotWorkIsAProblem) {
  const auto findings = advice_on("likwid", elsewhere);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_FALSE(findings[0].ok);
  EXPECT_TRUE(has(findings[0].sentence, "cannot work in a guest"));
}

TEST(KnownAgents, OneWithoutZonesWhereItLooksIsToldHowToGetThem) {
  const auto joulehunter = advice_on("joulehunter", elsewhere);
  ASSERT_EQ(joulehunter.size(), 1u);
  EXPECT_FALSE(joulehunter[0].ok);
  EXPECT_TRUE(has(joulehunter[0].sentence, "vpowercap-guest --target /mnt/power run COMMAND"));
  const auto kepler = advice_on("Kepler", elsewhere);
  ASSERT_EQ(kepler.size(), 1u);
  EXPECT_TRUE(has(kepler[0].sentence, "host.sysfs"));
}

}  // namespace
}  // namespace vpowercap
