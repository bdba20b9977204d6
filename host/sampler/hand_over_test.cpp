// SPDX-License-Identifier: Apache-2.0
#include "host/sampler/hand_over.hpp"

#include <gtest/gtest.h>

namespace vpowercap {
namespace {

constexpr auto id = "aaaaaaaa-0000-4000-8000-000000000001";

std::string state(const std::string& counters, const std::string& version = "1",
                  const std::string& uuid = id) {
  return R"({"vpowercap_state": )" + version + R"(, "uuid": ")" + uuid + R"(", "counters": )" +
         counters + "}";
}

std::string counter(const std::string& socket, const std::string& domain, const std::string& uj) {
  return R"({"socket": )" + socket + R"(, "domain": ")" + domain + R"(", "microjoules": )" + uj + "}";
}

VmRecord record() {
  VmRecord vm;
  vm.sockets = 2;
  vm.quantum_uj = 1000;
  vm.zone(0, EnergyDomain::package) = {100, 200, 5000, 5300, 0};
  return vm;
}

TEST(HandOver, CountersGoOnAndEnergyStays) {
  const auto parsed = parse_hand_over(
      state("[" + counter("0", "package", "7777") + "," + counter("1", "dram", "900") + "]"));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->uuid.to_string(), id);
  auto vm = record();
  for (int times = 0; times < 2; ++times) {
    go_on_from(vm, *parsed);
    const auto& zone = vm.zone(0, EnergyDomain::package);
    EXPECT_EQ(zone.shown_uj, 7777u);
    EXPECT_EQ(zone.published_uj, 7000u);
    EXPECT_EQ(zone.idle_uj + zone.dynamic_uj, 300u);
    EXPECT_EQ(vm.zone(1, EnergyDomain::dram).shown_uj, 900u);
    EXPECT_EQ(vm.zone(1, EnergyDomain::dram).published_uj, 1000u);  // a quantum at least
  }
}

TEST(HandOver, NoCounterGoesBackAndNoSocketIsMadeUp) {
  auto vm = record();
  vm.sockets = 1;
  go_on_from(vm, *parse_hand_over(state("[" + counter("0", "package", "5100") + "," +
                                        counter("1", "package", "9000") + "]")));
  EXPECT_EQ(vm.zone(0, EnergyDomain::package).shown_uj, 5300u);
  EXPECT_EQ(vm.zone(0, EnergyDomain::package).published_uj, 5000u);
  EXPECT_EQ(vm.zone(1, EnergyDomain::package).shown_uj, 0u);
}

TEST(HandOver, TheGreatestCounterComesThroughAndIsNamedBeyond) {
  const auto parsed = parse_hand_over(state("[" + counter("0", "package", "4611686018427387904") + "]"));
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto again = parse_hand_over(print_hand_over(*parsed));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->uuid, parsed->uuid);
  ASSERT_EQ(again->counters.size(), 1u);
  EXPECT_EQ(again->counters[0].shown_uj, std::uint64_t{1} << 62);
  EXPECT_EQ(again->counters[0].domain, EnergyDomain::package);
}

TEST(HandOver, ALongerTextThanAnyStateIsRefusedUnread) {
  auto text = state("[" + counter("0", "package", "1") + "]");
  text.resize(max_hand_over_size, ' ');
  EXPECT_TRUE(parse_hand_over(text));
  text += ' ';
  EXPECT_NE(parse_hand_over(text).error().message.find("longer than 65536"), std::string::npos);
}

TEST(HandOver, WhatIsNoStateIsNamed) {
  const auto error = [](const std::string& text) {
    const auto parsed = parse_hand_over(text);
    return parsed ? std::string() : parsed.error().message;
  };
  EXPECT_NE(error("").find("no JSON"), std::string::npos);
  EXPECT_NE(error("[]").find("no JSON object"), std::string::npos);
  EXPECT_NE(error(state("[]", "2")).find("vpowercap_state"), std::string::npos);
  EXPECT_NE(error(state("[]", "1", "web")).find("uuid"), std::string::npos);
  EXPECT_NE(error(state("{}")).find("counters"), std::string::npos);
  EXPECT_NE(error(state("[3]")).find("object"), std::string::npos);
  EXPECT_NE(error(state("[" + counter("64", "package", "1") + "]")).find("socket"), std::string::npos);
  EXPECT_NE(error(state("[" + counter("-1", "package", "1") + "]")).find("socket"), std::string::npos);
  EXPECT_NE(error(state("[" + counter("0", "psys", "1") + "]")).find("domain"), std::string::npos);
  for (const auto* uj : {"-1", "1.5", "\"1\"", "4611686018427387905", "null"})
    EXPECT_NE(error(state("[" + counter("0", "package", uj) + "]")).find("microjoules"),
              std::string::npos)
        << uj;
  std::string many = counter("0", "package", "1");
  for (int i = 0; i < 256; ++i) many += "," + counter("0", "package", "1");
  EXPECT_NE(error(state("[" + many + "]")).find("at most 256"), std::string::npos);
}

}  // namespace
}  // namespace vpowercap
