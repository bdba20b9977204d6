// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "common/base/utf8.hpp"
#include "guest/agent/json_format.hpp"
#include "guest/agent/sample_snapshot.hpp"
#include "guest/agent/text_format.hpp"

namespace vpowercap {
namespace {

using nlohmann::json;

Snapshot one_zone() {
  Snapshot snapshot;
  snapshot.time = std::chrono::system_clock::from_time_t(1'700'000'000);
  snapshot.readings.zones.push_back(
      {{"intel-rapl:0", "intel-rapl", "package-0", EnergyDomain::package, 0, 262'143'328'850},
       {12'345'678},
       std::nullopt});
  return snapshot;
}

Snapshot with_ledger(std::string_view vm_name) {
  Snapshot snapshot = one_zone();
  snapshot.ledger =
      LedgerSnapshot{"/run/l", std::chrono::milliseconds(500), std::chrono::seconds(1),
                     false,    testing::host_record(),         {testing::vm_record(vm_name)}};
  return snapshot;
}

TEST(JsonFormat, ShowsZonesAndNoLedgerWhereThereIsNone) {
  const auto parsed = json::parse(format_json(one_zone(), "/sys/class/powercap"));
  EXPECT_EQ(parsed["time"], "2023-11-14T22:13:20.000Z");
  const auto& zone = parsed.at("zones").at(0);
  EXPECT_EQ(zone.at("id"), "intel-rapl:0");
  EXPECT_EQ(zone.at("name"), "package-0");
  EXPECT_EQ(zone.at("domain"), "package");
  EXPECT_EQ(zone.at("package"), 0);
  EXPECT_EQ(zone.at("energy_joules"), 12.345678);
  EXPECT_TRUE(zone.at("power_watts").is_null());
  EXPECT_EQ(zone.at("max_energy_range_joules"), 262143.32885);
  EXPECT_FALSE(parsed.contains("host"));
  EXPECT_FALSE(parsed.contains("vms"));
}

TEST(JsonFormat, ShowsTheLedgersHostAndVms) {
  const auto parsed = json::parse(format_json(with_ledger("web"), "/p"));
  EXPECT_EQ(parsed.at("ledger").at("age_seconds"), 0.5);
  EXPECT_EQ(parsed.at("host").at("method"), "model");
  EXPECT_EQ(parsed.at("host").at("zones").at(0).at("remainder_joules"), 4.0);
  const auto& vm = parsed.at("vms").at(0);
  EXPECT_EQ(vm.at("name"), "web");
  EXPECT_EQ(vm.at("power_watts"), 7.5);
  ASSERT_EQ(vm.at("zones").size(), 4u) << "two sockets, package and dram";
  EXPECT_EQ(vm.at("zones").at(0).at("energy_joules"), 3.0);
  EXPECT_EQ(vm.at("zones").at(0).at("published_joules"), 2.999);
}

TEST(JsonFormat, IsOneLineOfValidJsonWhateverTheNames) {
  const auto text = format_json(with_ledger("a\nb\"\\\xff\x01{"), "/p");
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(json::parse(text).at("vms").at(0).at("name"), "a\nb\"\\\xef\xbf\xbd\x01{");
}

TEST(JsonFormat, KeepsEveryMicrojouleOfTheLargestRange) {
  auto snapshot = one_zone();
  snapshot.readings.zones[0].total = {4'294'967'295'000'001};
  EXPECT_NE(format_json(snapshot, "/p").find("4294967295.000001"), std::string::npos);
}

TEST(TextFormat, HasALineForEachZoneVmAndProblem) {
  auto snapshot = with_ledger("evil\x1b[31m");
  snapshot.readings.zones[0].power_uw = 21'500'000;
  snapshot.readings.problems.push_back({EIO, "zone broke"});
  const auto text = format_text(snapshot);
  EXPECT_NE(text.find("21.50"), std::string::npos);
  EXPECT_NE(text.find("11111111-2222-4333-8444-555555555555"), std::string::npos);
  EXPECT_NE(text.find("problem: zone broke"), std::string::npos);
  EXPECT_NE(text.find("model"), std::string::npos) << "an estimate is called one";
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(TextFormat, SaysThatTheLedgerIsStale) {
  Snapshot snapshot;
  snapshot.ledger = LedgerSnapshot{.path = "/run/l", .age = std::chrono::seconds(90), .stale = true};
  EXPECT_NE(format_text(snapshot).find("silent for 90 s"), std::string::npos);
}

TEST(ValidUtf8, KeepsWhatIsValidAndReplacesTheRest) {
  const std::string good = "aé€😀\xf4\x8f\xbf\xbf";
  EXPECT_EQ(valid_utf8(good), good);
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(valid_utf8("\xff"), bad);
  EXPECT_EQ(valid_utf8("x\xc3"), "x" + bad) << "cut off";
  EXPECT_EQ(valid_utf8("\xc0\xaf"), bad + bad) << "overlong";
  EXPECT_EQ(valid_utf8("\xe0\x80\x80"), bad + bad + bad) << "overlong";
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), bad + bad + bad) << "surrogate";
  EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80"), bad + bad + bad + bad) << "above U+10FFFF";
}

}  // namespace
}  // namespace vpowercap
