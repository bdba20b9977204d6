// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "common/ledger/writer.hpp"
#include "host/ctl/command.hpp"
#include "host/ctl/json.hpp"
#include "host/ctl/state.hpp"
#include "host/ctl/table.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

VmRecord vm_named(std::string_view name, std::uint8_t number, std::uint64_t power_uw) {
  VmRecord vm;
  vm.uuid.bytes[15] = number;
  vm.name.assign(name);
  vm.state = VmState::running;
  vm.method = Method::model;
  vm.vcpus = 2;
  vm.sockets = 1;
  vm.domain_mask = 1;
  vm.power_uw = power_uw;
  vm.quantum_uj = 1000;
  vm.zone(0, EnergyDomain::package) = {2'000'000, 3'500'000, 5'000'000};
  return vm;
}

struct Ctl : ::testing::Test {
  testing::TempDir dir;
  std::optional<LedgerWriter> writer;
  std::optional<LedgerReader> reader;

  void SetUp() override {
    writer = std::move(*LedgerWriter::open({dir.path("ledger"), "", 60s, 1s}));
    HostRecord host;
    host.method = Method::model;
    host.zone_count = 1;
    host.zones[0].power_uw = 40'000'000;
    host.zones[0].remainder_power_uw = 10'000'000;
    host.zones[0].id.assign("intel-rapl:0");
    host.zones[0].idle_power_uw = 12'500'000;
    host.zones[0].idle_method = IdleMethod::learned;
    host.zones[0].idle_confidence = IdleConfidence::low;
    host.zones[0].idle_samples = 77;
    host.zones[0].gaps = 3;
    host.zones[0].gap_ns = 4'500'000'000;
    host.zones[0].across_gap_uj = 6'250'000;
    host.tick = 900;
    host.late_ticks = 2;
    host.sampled_ns = 100'000'000'000;
    writer->store_host(host);
    writer->beat(100s);
    ASSERT_TRUE(writer->store_vm(vm_named("web", 1, 7'000'000)));
    ASSERT_TRUE(writer->store_vm(vm_named("a \x1b[31m\xff", 2, 23'000'000)));
    reader = std::move(*LedgerReader::open(dir.path("ledger")));
  }
  LedgerView view(Nanoseconds now = 100s) { return *look(*reader, now); }
};

TEST_F(Ctl, TheTableShowsHostAndVmsAndSaysWhatIsAnEstimate) {
  const auto text = list_table(view(), false);
  EXPECT_NE(text.find("host 40.00 W, of it 10.00 W used by no VM (method model: an estimate"),
            std::string::npos);
  EXPECT_NE(text.find("7.00 W"), std::string::npos);
  EXPECT_NE(text.find("5.500 J"), std::string::npos);
}

TEST_F(Ctl, HostileNamesReachNoTerminal) {
  EXPECT_EQ(list_table(view(), false).find('\x1b'), std::string::npos);
  EXPECT_NE(list_table(view(), false).find("a \\x1b[31m\\xff"), std::string::npos);
}

TEST_F(Ctl, ByPowerPutsTheHungriestFirst) {
  const auto text = list_table(view(), true);
  EXPECT_LT(text.find("23.00 W"), text.find("7.00 W"));
}

TEST_F(Ctl, AStaleLedgerSaysSo) {
  EXPECT_EQ(list_table(view(160s), false).find("STALE"), std::string::npos);
  EXPECT_NE(list_table(view(161s), false).find("STALE"), std::string::npos);
}

TEST_F(Ctl, JsonIsValidForAnyName) {
  const auto json = nlohmann::json::parse(to_json(view()));
  EXPECT_EQ(json["method"], "model");
  EXPECT_EQ(json["estimate"], true);
  EXPECT_EQ(json["host_watts"], 40.0);
  ASSERT_EQ(json["vms"].size(), 2u);
  EXPECT_EQ(json["vms"][1]["published_joules"], 5.0);
}

TEST_F(Ctl, AVmIsFoundByUuidOrUniqueName) {
  EXPECT_EQ(find_vm(view(), "web")->uuid.bytes[15], 1);
  EXPECT_EQ(find_vm(view(), "00000000-0000-0000-0000-000000000002")->uuid.bytes[15], 2);
  EXPECT_EQ(find_vm(view(), "nothing").error().code, ENOENT);
  ASSERT_TRUE(writer->store_vm(vm_named("web", 3, 0)));
  EXPECT_EQ(find_vm(view(), "web").error().code, EEXIST);
}

TEST_F(Ctl, ThePageOfAVmShowsEveryZone) {
  const auto vm = *find_vm(view(), "web");
  EXPECT_NE(vm_page(view(), vm).find("package"), std::string::npos);
  const auto json = nlohmann::json::parse(to_json(view(), vm));
  ASSERT_EQ(json["zones"].size(), 1u);
  EXPECT_EQ(json["zones"][0]["idle_joules"], 2.0);
}

TEST_F(Ctl, TheHostsPageSaysWhatIsKnownOfIdlePowerAndGaps) {
  const auto text = host_page(view());
  EXPECT_NE(text.find("12.50 W learned     low              77"), std::string::npos) << text;
  EXPECT_NE(text.find("900, of them 2 late"), std::string::npos);
  EXPECT_NE(text.find("6.250 J"), std::string::npos);
  const auto json = nlohmann::json::parse(host_json(view()));
  EXPECT_EQ(json["late_ticks"], 2);
  ASSERT_EQ(json["zones"].size(), 1u);
  EXPECT_EQ(
      json["zones"][0]["idle"],
      nlohmann::json({{"method", "learned"}, {"watts", 12.5}, {"confidence", "low"}, {"samples", 77}}));
  EXPECT_EQ(json["zones"][0]["gap_seconds"], 4.5);
  EXPECT_EQ(json["zones"][0]["joules_across_gaps"], 6.25);
}

TEST_F(Ctl, AVmsQualityTravelsWithItsNumbers) {
  auto vm = vm_named("web", 1, 0);
  vm.domain_mask = 0b1001;
  vm.sampled_ns = 99'000'000'000;
  vm.owned_vcpus = 1;
  vm.quality[0] = {98'000'000'000, 5, 1'500'000};
  vm.basis[3] = DynamicBasis::bandwidth;
  const auto json = nlohmann::json::parse(to_json(view(), vm));
  EXPECT_EQ(json["owned_vcpus"], 1);
  EXPECT_EQ(json["sample_age_seconds"], 1.0);
  ASSERT_EQ(json["quality"].size(), 2u);
  EXPECT_EQ(json["quality"][0]["method"], "model");
  EXPECT_EQ(json["quality"][0]["divided_by"], "work");
  EXPECT_EQ(json["quality"][0]["gaps"], 5);
  EXPECT_EQ(json["quality"][0]["joules_across_gaps"], 1.5);
  EXPECT_EQ(json["quality"][0]["sample_age_seconds"], 2.0);
  EXPECT_EQ(json["quality"][1]["divided_by"], "bandwidth");
  EXPECT_TRUE(json["quality"][1]["sample_age_seconds"].is_null());
  const auto text = vm_page(view(), vm);
  EXPECT_NE(text.find("1 of 2"), std::string::npos);
  EXPECT_NE(text.find("2.0 s old"), std::string::npos) << text;
  EXPECT_NE(text.find("never"), std::string::npos);
}

TEST_F(Ctl, AStateIsWhatTheGuestWasShownAndIsOwed) {
  auto vm = vm_named("web", 1, 0);
  vm.zone(0, EnergyDomain::package) = {0, 0, 5'000'000, 5'000'700, 300};
  const auto state = nlohmann::json::parse(state_json(vm));
  EXPECT_EQ(state["vpowercap_state"], 1);
  EXPECT_EQ(state["uuid"], vm.uuid.to_string());
  ASSERT_EQ(state["counters"].size(), 1u);
  EXPECT_EQ(state["counters"][0],
            nlohmann::json({{"socket", 0}, {"domain", "package"}, {"microjoules", 5'001'000}}));
  // Taken up too early: that is no reason to show less than was shown.
  vm.zone(0, EnergyDomain::package) = {0, 0, 5'000'000, 4'999'000, -300};
  EXPECT_EQ(nlohmann::json::parse(state_json(vm))["counters"][0]["microjoules"], 5'000'000);
}

TEST_F(Ctl, OnlyTheStateOfTheVmThatIsNamedIsImported) {
  const auto imported = [&](const std::string& uuid, const std::string& text) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> input(
        ::fmemopen(const_cast<char*>(text.data()), text.size(), "r"), &std::fclose);
    const auto done = import_state(dir.path("control"), uuid, input.get());
    return done ? *done : done.error().message;
  };
  const auto vm = vm_named("web", 1, 0);
  const auto uuid = vm.uuid.to_string();
  EXPECT_NE(imported("web", "{}").find("no UUID"), std::string::npos);
  EXPECT_NE(imported(uuid, "[").find("not the state of"), std::string::npos);
  EXPECT_NE(imported(uuid, state_json(vm_named("b", 2, 0))).find("not the state of"),
            std::string::npos);
  EXPECT_NE(imported(uuid, std::string(70'000, ' ')).find("longer"), std::string::npos);
  EXPECT_NE(imported(uuid, state_json(vm)).find("no daemon answers"), std::string::npos);
}

TEST_F(Ctl, WrongUsageIsNamed) {
  const auto error_of = [](std::vector<const char*> words) {
    words.insert(words.begin(), "vpowercap");
    try {
      (void)run_command(static_cast<int>(words.size()), words.data());
    } catch (const UsageError& error) {
      return error.message;
    }
    return std::string();
  };
  EXPECT_NE(error_of({}).find("which command"), std::string::npos);
  EXPECT_NE(error_of({"lst"}).find("lst"), std::string::npos);
  EXPECT_NE(error_of({"show"}).find("one VM"), std::string::npos);
  EXPECT_NE(error_of({"state", "export"}).find("export and a VM"), std::string::npos);
  EXPECT_NE(error_of({"state", "copy", "web"}).find("not copy"), std::string::npos);
  EXPECT_NE(error_of({"show", "--host", "web"}).find("--host takes no argument"), std::string::npos);
}

}  // namespace
}  // namespace vpowercap
