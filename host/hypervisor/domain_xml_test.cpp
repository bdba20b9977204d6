// SPDX-License-Identifier: Apache-2.0
#include "host/hypervisor/domain_xml.hpp"

#include <rapidcheck/gtest.h>

namespace vpowercap {
namespace {

constexpr const char* uuid_text = "c7a5fdbd-edaf-9455-926a-d65c16db1809";

/// A domain with `inside` after UUID and `name` (already escaped).
std::string domain(const std::string& inside, const std::string& name = "web") {
  return "<?xml version='1.0'?>\n<domain type='kvm' id='3'>\n  <name>" + name + "</name>\n  <uuid>" +
         uuid_text + "</uuid>\n" + inside + "\n</domain>\n";
}

std::string with_metadata(const std::string& element) {
  return domain("<metadata>" + element + "</metadata>");
}

std::string error_of(const std::string& xml) {
  const auto vm = parse_domain_xml(xml, {});
  if (vm) return "no error";
  EXPECT_EQ(vm.error().code, EPROTO);
  return vm.error().message;
}

TEST(DomainXml, ReadsIdentityAndTopology) {
  const auto vm = parse_domain_xml(
      domain("<vcpu placement='static' current='2'>8</vcpu>"
             "<cpu mode='host-model'><topology sockets='2' dies='1' cores='2' threads='2'/></cpu>"),
      {});
  ASSERT_TRUE(vm) << vm.error().message;
  EXPECT_EQ(vm->uuid.to_string(), uuid_text);
  EXPECT_EQ(vm->name, "web");
  EXPECT_EQ(vm->topology.vcpus, 8u);
  EXPECT_EQ(vm->topology.owned(), 2u);
  EXPECT_EQ(vm->topology.sockets, 2u);
  EXPECT_EQ(vm->state, VmState::starting);
  EXPECT_EQ(vm->pid, 0);
}

TEST(DomainXml, WithoutTopologyEachVcpuIsASocket) {
  const auto vm = parse_domain_xml(domain("<vcpu> 4\n</vcpu><cpu mode='maximum'/>"), {});
  ASSERT_TRUE(vm);
  EXPECT_EQ(vm->topology.sockets, 4u);
  EXPECT_EQ(parse_domain_xml(domain(""), {})->topology.vcpus, 1u);
}

TEST(DomainXml, AVmOwnsTheVcpusThatArePluggedInNow) {
  const auto owned = [](const std::string& vcpu) {
    const auto vm = parse_domain_xml(domain(vcpu), {});
    return vm ? vm->topology.owned() : 0;
  };
  EXPECT_EQ(owned("<vcpu current='2'>4</vcpu>"), 2u);
  EXPECT_EQ(owned("<vcpu>4</vcpu>"), 4u);
  EXPECT_EQ(owned("<vcpu current='9'>4</vcpu>"), 4u);
  EXPECT_NE(error_of(domain("<vcpu current='none'>4</vcpu>")).find("<vcpu current>"),
            std::string::npos);
}

TEST(DomainXml, KnowsTheLastSocketWithAVcpu) {
  const auto zones = [](const std::string& vcpus) {
    const auto vm = parse_domain_xml(domain(vcpus), {});
    return vm ? vm->topology.zones(TopologyView::guest, 1) : 0;
  };
  EXPECT_EQ(zones("<vcpu>4</vcpu>"), 4u);
  EXPECT_EQ(zones("<vcpu current='2'>4</vcpu>"), 2u);
  const std::string two_of_two = "<cpu><topology sockets='2' dies='1' cores='2' threads='1'/></cpu>";
  EXPECT_EQ(zones("<vcpu current='2'>4</vcpu>" + two_of_two), 1u);
  EXPECT_EQ(zones("<vcpu current='3'>4</vcpu>" + two_of_two), 2u);
  const std::string last_alone =
      "<vcpus><vcpu id='0' enabled='yes'/><vcpu id='1' enabled='no'/><vcpu id='2' enabled='no'/>"
      "<vcpu id='3' enabled='yes'/><vcpu id='9' enabled='yes'/><vcpu id='x' enabled='yes'/></vcpus>";
  EXPECT_EQ(zones("<vcpu current='2'>4</vcpu>" + last_alone), 4u);
}

TEST(DomainXml, NeverHasMoreSocketsThanVcpus) {
  const auto vm = parse_domain_xml(domain("<vcpu>2</vcpu><cpu><topology sockets='8'/></cpu>"), {});
  ASSERT_TRUE(vm);
  EXPECT_EQ(vm->topology.sockets, 2u);
}

TEST(DomainXml, TakesAnyNameAsItIs) {
  const std::vector<std::pair<std::string, std::string>> names{{"-rf", "-rf"},
                                                               {"a b", "a b"},
                                                               {" ", " "},
                                                               {"..", ".."},
                                                               {"../../etc", "../../etc"},
                                                               {"two\nlines", "two\nlines"},
                                                               {"cr&#13;x", "cr\rx"},
                                                               {"quote\"'&amp;&lt;", "quote\"'&<"},
                                                               {"\xe2\x80\xae"
                                                                "gpj",
                                                                "\xe2\x80\xae"
                                                                "gpj"},
                                                               {"$(id)`id`%2f", "$(id)`id`%2f"},
                                                               {"vm,,guest=x", "vm,,guest=x"},
                                                               {"größe", "größe"}};
  for (const auto& [escaped, name] : names) {
    const auto vm = parse_domain_xml(domain("", escaped), {});
    ASSERT_TRUE(vm) << escaped;
    EXPECT_EQ(vm->name, name);
  }
}

TEST(DomainXml, MetadataChangesTheDefaultsWhateverItsPrefix) {
  VmSettings defaults;
  defaults.energy_mode = 0440;
  for (const std::string& element :
       {std::string("<vpowercap:vm xmlns:vpowercap='urn:vpowercap:domain:1' topology='single' "
                    "grid='2.5' quantum-uj='1'/>"),
        std::string("<x:vm xmlns:x='urn:vpowercap:domain:1' topology='single' grid='2.5' "
                    "quantum-uj='1'></x:vm>"),
        std::string(
            "<vm xmlns='urn:vpowercap:domain:1' topology='single' grid='2.5' quantum-uj='1'/>")}) {
    const auto vm = parse_domain_xml(with_metadata(element), defaults);
    ASSERT_TRUE(vm) << vm.error().message;
    EXPECT_EQ(vm->settings.topology, TopologyView::single);
    EXPECT_EQ(vm->settings.grid_ns, 2'500'000'000u);
    EXPECT_EQ(vm->settings.quantum_uj, 1u);
    EXPECT_EQ(vm->settings.energy_mode, 0440u);
  }
}

TEST(DomainXml, MetadataSaysWhatATenantSees) {
  const auto settings = [](const std::string& attributes, const VmSettings& defaults = {}) {
    const auto vm = parse_domain_xml(
        with_metadata("<vm xmlns='urn:vpowercap:domain:1' " + attributes + "/>"), defaults);
    EXPECT_TRUE(vm) << vm.error().message;
    return vm->settings;
  };
  const auto hidden = settings("off='yes' zones='package' idle='hidden' neighbour-blind='300'");
  EXPECT_TRUE(hidden.is_off);
  EXPECT_TRUE(hidden.hides_subzones);
  EXPECT_TRUE(hidden.hides_idle);
  EXPECT_EQ(hidden.blind_seconds, 300u);
  const auto shown = settings("off='no' zones='all' idle='shown' neighbour-blind='0'", hidden);
  EXPECT_FALSE(shown.is_off || shown.hides_subzones || shown.hides_idle);
  EXPECT_EQ(shown.blind_seconds, 0u);
}

TEST(DomainXml, LeavesTheMetadataOfOthersAlone) {
  const auto vm = parse_domain_xml(
      with_metadata("<nova:vm xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1' grid='x'/>"
                    "<vpowercap:vm grid='x'/><vm mode='0777'/>"),
      {});
  ASSERT_TRUE(vm) << vm.error().message;
  EXPECT_EQ(vm->settings.grid_ns, VmSettings().grid_ns);
}

TEST(DomainXml, ErrorsNameElementAndAttribute) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"off='maybe'", "off"},
      {"zones='core'", "zones"},
      {"idle='0'", "idle"},
      {"neighbour-blind='59'", "neighbour-blind"},
      {"topology='both'", "topology"},
      {"grid='0.5'", "grid"},
      {"grid='3601'", "grid"},
      {"grid='nan'", "grid"},
      {"grid='2s'", "grid"},
      {"grid=''", "grid"},
      {"grid='-1'", "grid"},
      {"quantum-uj='0'", "quantum-uj"},
      {"quantum-uj='1000000001'", "quantum-uj"},
      {"quantum-uj='18446744073709551615'", "quantum-uj"},
      {"quantum-uj='1e3'", "quantum-uj"},
      {"mode='0777'", "mode"},
      {"mode='400'", "mode"},
      {"colour='red'", "colour"}};
  for (const auto& [attribute, name] : cases) {
    const auto message =
        error_of(with_metadata("<p:vm xmlns:p='urn:vpowercap:domain:1' " + attribute + "/>"));
    EXPECT_NE(message.find("<vm " + name + ">"), std::string::npos) << attribute << ": " << message;
  }
  EXPECT_NE(error_of(domain("<vcpu>0</vcpu>")).find("<vcpu>"), std::string::npos);
  EXPECT_NE(error_of(domain("<vcpu>many</vcpu>")).find("<vcpu>"), std::string::npos);
  EXPECT_NE(error_of(domain("<cpu><topology sockets='0'/></cpu>")).find("sockets"), std::string::npos);
  EXPECT_NE(error_of("<domain><name>a</name><uuid>..</uuid></domain>").find("<uuid>"),
            std::string::npos);
  EXPECT_NE(error_of(domain("", "")).find("<name>"), std::string::npos);
  EXPECT_NE(error_of("<network/>").find("<domain>"), std::string::npos);
  EXPECT_NE(error_of(with_metadata("<p:wm xmlns:p='urn:vpowercap:domain:1'/>")).find("wm"),
            std::string::npos);
}

TEST(DomainXml, AVmHasAtMost65535Vcpus) {
  EXPECT_EQ(parse_domain_xml(domain("<vcpu>65535</vcpu>"), {})->topology.vcpus, 65535u);
  EXPECT_NE(error_of(domain("<vcpu>65536</vcpu>")).find("from 1 to 65535"), std::string::npos);
}

TEST(DomainXml, AQuantumIsNoMoreThanACounterHolds) {
  const auto xml = with_metadata("<p:vm xmlns:p='urn:vpowercap:domain:1' quantum-uj='1000000000'/>");
  EXPECT_EQ(parse_domain_xml(xml, {})->settings.quantum_uj, 1'000'000'000u);
  VmSettings settings;
  settings.max_energy_range_uj = 1'000'000'000;
  const auto refused = parse_domain_xml(xml, settings);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("from 1 to 999999999"), std::string::npos);
}

TEST(DomainXml, BrokenMetadataNeedNotCostTheVmItsPlace) {
  std::optional<Error> problem;
  const auto vm = parse_domain_xml(
      with_metadata("<p:vm xmlns:p='urn:vpowercap:domain:1' topology='single' mode='0777'/>"), {},
      problem);
  ASSERT_TRUE(vm);
  ASSERT_TRUE(problem);
  EXPECT_EQ(vm->settings.topology, TopologyView::guest);
  EXPECT_EQ(vm->settings.energy_mode, 0400u);
}

TEST(DomainXml, TricksOfTheFormatAreHarmless) {
  const auto entity = parse_domain_xml(
      "<!DOCTYPE domain [<!ENTITY a SYSTEM 'file:///etc/passwd'>"
      "<!ENTITY b '&a;&a;&a;'>]>" +
          domain("", "&a;&b;").substr(22),
      {});
  ASSERT_TRUE(entity) << entity.error().message;
  EXPECT_EQ(entity->name, "&a;&b;");
  std::string deep;
  for (int i = 0; i < 300'000; ++i) deep += "<a>";
  EXPECT_NE(error_of(deep), "no error");
  EXPECT_NE(error_of(domain(std::string(1024 * 1024, ' '))).find("1 MiB"), std::string::npos);
  EXPECT_NE(error_of(""), "no error");
}

RC_GTEST_PROP(DomainXml, AnyCutOfAValidDocumentFailsCleanly, ()) {
  const std::string whole =
      with_metadata("<p:vm xmlns:p='urn:vpowercap:domain:1' topology='single' grid='2' mode='0444'/>");
  const auto end = *rc::gen::inRange<std::size_t>(0, whole.rfind("</domain>"));
  const auto vm = parse_domain_xml(std::string_view(whole).substr(0, end), {});
  RC_ASSERT(!vm);
  RC_ASSERT(vm.error().code == EPROTO);
}

RC_GTEST_PROP(DomainXml, AnyByteChangedNeverBreaksTheParser, ()) {
  std::string xml =
      with_metadata("<p:vm xmlns:p='urn:vpowercap:domain:1' topology='single' grid='2' mode='0444'/>");
  const auto at = *rc::gen::inRange<std::size_t>(0, xml.size());
  xml[at] = *rc::gen::arbitrary<char>();
  const auto vm = parse_domain_xml(xml, {});
  RC_ASSERT(vm || vm.error().code == EPROTO);
}

}  // namespace
}  // namespace vpowercap
