// SPDX-License-Identifier: Apache-2.0
// The layout of a tree, file by file.
#include "fuse-fs/tree/vm_tree.hpp"

#include <algorithm>
#include <map>

namespace vpowercap {
namespace {

constexpr std::uint64_t range = 4'294'967'295'000'000;

VmRecord record_of(std::uint32_t sockets, std::vector<EnergyDomain> domains) {
  VmRecord record;
  record.uuid = *Uuid::parse("c7a5fdbd-edaf-9455-926a-d65c16db1809");
  record.state = VmState::running;
  record.sockets = sockets;
  record.max_energy_range_uj = range;
  for (const auto domain : domains) record.domain_mask |= 1u << static_cast<unsigned>(domain);
  for (std::uint32_t socket = 0; socket < std::min(sockets, max_virtual_sockets); ++socket)
    for (const auto domain : virtual_domains)
      record.zone(socket, domain).published_uj =
          1'000'000 * (socket + 1) + 1000 * static_cast<unsigned>(domain);
  return record;
}

VmRecord full_record(std::uint32_t sockets) {
  return record_of(sockets, {virtual_domains.begin(), virtual_domains.end()});
}

/// Every path of a tree with a line of what it is: "d755 3", "f400 value", "l target".
std::map<std::string, std::string> walk(const VmTree& tree, Node directory = {},
                                        const std::string& path = "") {
  std::map<std::string, std::string> lines;
  for (const auto& entry : tree.list(directory)) {
    const auto below = path + "/" + entry.name;
    const auto attributes = tree.attributes(entry.node).value();
    EXPECT_EQ(attributes.type, entry.type) << below;
    EXPECT_EQ(tree.find(directory, entry.name)->node, entry.node);
    char mode[8];
    std::snprintf(mode, sizeof mode, "%o ", attributes.permissions);
    switch (attributes.type) {
      case FileType::directory:
        EXPECT_EQ(attributes.size, 0u) << below;
        EXPECT_EQ(tree.parent(entry.node), directory) << below;
        lines[below] = "d" + std::string(mode) + std::to_string(attributes.links);
        lines.merge(walk(tree, entry.node, below));
        break;
      case FileType::regular:
        EXPECT_EQ(attributes.size, 4096u) << below;
        EXPECT_EQ(attributes.links, 1u) << below;
        lines[below] = "f" + std::string(mode) + tree.content(entry.node, false).value();
        break;
      case FileType::link:
        EXPECT_EQ(attributes.size, 0u) << below;
        EXPECT_EQ(attributes.permissions, 0777u) << below;
        lines[below] = "l " + tree.target(entry.node).value();
        break;
    }
  }
  return lines;
}

std::map<std::string, std::string> power_directory(const std::string& device) {
  return {{device + "/power", "d755 2"},
          {device + "/power/control", "f644 auto\n"},
          {device + "/power/runtime_status", "f444 unsupported\n"},
          {device + "/power/runtime_active_time", "f444 0\n"},
          {device + "/power/runtime_suspended_time", "f444 0\n"}};
}

TEST(VmTree, ShowsWhatTheTenantMaySee) {
  auto record = full_record(2);
  record.hides_subzones = 1;
  const Node core{Place::zone(0, EnergyDomain::core), File::energy_uj};
  const auto lines = walk(VmTree(&record));
  EXPECT_TRUE(lines.contains("/intel-rapl:1"));
  EXPECT_FALSE(lines.contains("/intel-rapl:0:0"));
  EXPECT_FALSE(lines.contains("/intel-rapl/intel-rapl:0/intel-rapl:0:0"));
  EXPECT_EQ(VmTree(&record).content(core, false).error().code, ENOENT);
  record.is_off = 1;
  const auto none = record_of(2, {});
  EXPECT_EQ(walk(VmTree(&record)), walk(VmTree(&none)));
}

TEST(VmTree, IsWhatAMachineWithOnePackageAndDramHas) {
  const auto record = record_of(1, {EnergyDomain::package, EnergyDomain::dram});
  std::map<std::string, std::string> expected{
      {"/intel-rapl", "d755 4"},
      {"/intel-rapl/enabled", "f644 1\n"},
      {"/intel-rapl/uevent", "f644 "},
      {"/intel-rapl/subsystem", "l .."},
      {"/intel-rapl/intel-rapl:0", "d755 4"},
      {"/intel-rapl/intel-rapl:0/name", "f444 package-0\n"},
      {"/intel-rapl/intel-rapl:0/energy_uj", "f400 1000000\n"},
      {"/intel-rapl/intel-rapl:0/max_energy_range_uj", "f444 4294967295000000\n"},
      {"/intel-rapl/intel-rapl:0/enabled", "f644 0\n"},
      {"/intel-rapl/intel-rapl:0/uevent", "f644 "},
      {"/intel-rapl/intel-rapl:0/constraint_0_name", "f444 long_term\n"},
      {"/intel-rapl/intel-rapl:0/constraint_0_power_limit_uw", "f644 0\n"},
      {"/intel-rapl/intel-rapl:0/constraint_0_time_window_us", "f644 0\n"},
      {"/intel-rapl/intel-rapl:0/constraint_0_max_power_uw", "f444 0\n"},
      {"/intel-rapl/intel-rapl:0/constraint_1_name", "f444 short_term\n"},
      {"/intel-rapl/intel-rapl:0/constraint_1_power_limit_uw", "f644 0\n"},
      {"/intel-rapl/intel-rapl:0/constraint_1_time_window_us", "f644 0\n"},
      {"/intel-rapl/intel-rapl:0/constraint_1_max_power_uw", "f444 0\n"},
      {"/intel-rapl/intel-rapl:0/device", "l ../../intel-rapl"},
      {"/intel-rapl/intel-rapl:0/subsystem", "l ../.."},
      {"/intel-rapl/intel-rapl:0/intel-rapl:0:0", "d755 3"},
      {"/intel-rapl/intel-rapl:0/intel-rapl:0:0/name", "f444 dram\n"},
      {"/intel-rapl/intel-rapl:0/intel-rapl:0:0/energy_uj", "f400 1003000\n"},
      {"/intel-rapl/intel-rapl:0/intel-rapl:0:0/max_energy_range_uj", "f444 4294967295000000\n"},
      {"/intel-rapl/intel-rapl:0/intel-rapl:0:0/enabled", "f644 0\n"},
      {"/intel-rapl/intel-rapl:0/intel-rapl:0:0/uevent", "f644 "},
      {"/intel-rapl/intel-rapl:0/intel-rapl:0:0/device", "l ../../intel-rapl:0"},
      {"/intel-rapl/intel-rapl:0/intel-rapl:0:0/subsystem", "l ../../.."},
      {"/intel-rapl:0", "l intel-rapl/intel-rapl:0"},
      {"/intel-rapl:0:0", "l intel-rapl/intel-rapl:0/intel-rapl:0:0"},
  };
  for (const auto* device :
       {"/intel-rapl", "/intel-rapl/intel-rapl:0", "/intel-rapl/intel-rapl:0/intel-rapl:0:0"})
    expected.merge(power_directory(device));
  EXPECT_EQ(walk(VmTree(&record)), expected);
}

TEST(VmTree, NumbersSubzonesInTheKernelsOrderWithoutGaps) {
  const auto all = full_record(2);
  auto lines = walk(VmTree(&all));
  EXPECT_EQ(lines["/intel-rapl/intel-rapl:1/intel-rapl:1:0/name"], "f444 core\n");
  EXPECT_EQ(lines["/intel-rapl/intel-rapl:1/intel-rapl:1:1/name"], "f444 uncore\n");
  EXPECT_EQ(lines["/intel-rapl/intel-rapl:1/intel-rapl:1:2/name"], "f444 dram\n");
  EXPECT_EQ(lines["/intel-rapl:1:2"], "l intel-rapl/intel-rapl:1/intel-rapl:1:2");
  EXPECT_EQ(lines["/intel-rapl/intel-rapl:1/intel-rapl:1:2/energy_uj"], "f400 2003000\n");
  const auto some = record_of(1, {EnergyDomain::package, EnergyDomain::uncore, EnergyDomain::psys});
  lines = walk(VmTree(&some));
  EXPECT_EQ(lines["/intel-rapl/intel-rapl:0/intel-rapl:0:0/name"], "f444 uncore\n");
  EXPECT_FALSE(lines.contains("/intel-rapl:0:1"));
}

TEST(VmTree, PrintsZoneIdsInHexAndNamesInDecimal) {
  const auto record = full_record(64);
  auto lines = walk(VmTree(&record));
  EXPECT_EQ(lines["/intel-rapl/intel-rapl:a/name"], "f444 package-10\n");
  EXPECT_EQ(lines["/intel-rapl:3f:2"], "l intel-rapl/intel-rapl:3f/intel-rapl:3f:2");
}

TEST(VmTree, ShowsNoMoreSocketsThanThereAreSlots) {
  const auto record = full_record(1000);
  EXPECT_EQ(VmTree(&record).list({Place::vm(), File::directory}).size(), 1 + 64 * 4u);
}

TEST(VmTree, OfAnUnknownVmHasAControlTypeWithoutZones) {
  std::map<std::string, std::string> expected{{"/intel-rapl", "d755 3"},
                                              {"/intel-rapl/enabled", "f644 1\n"},
                                              {"/intel-rapl/uevent", "f644 "},
                                              {"/intel-rapl/subsystem", "l .."}};
  expected.merge(power_directory("/intel-rapl"));
  EXPECT_EQ(walk(VmTree(nullptr)), expected);
  const Node energy{Place::zone(0, EnergyDomain::package), File::energy_uj};
  EXPECT_EQ(VmTree(nullptr).attributes(energy), std::nullopt);
  EXPECT_EQ(VmTree(nullptr).content(energy, false).error().code, ENOENT);
}

TEST(VmTree, ShowsNoZonesWithoutPackageEnergy) {
  const auto record = record_of(2, {EnergyDomain::dram});
  EXPECT_EQ(walk(VmTree(&record)), walk(VmTree(nullptr)));
}

TEST(VmTree, KeepsTheValuesOfAStoppedVm) {
  auto record = full_record(2);
  const auto before = walk(VmTree(&record));
  record.state = VmState::stopped;
  EXPECT_EQ(walk(VmTree(&record)), before);
}

TEST(VmTree, WrapsEnergyAtTheRange) {
  auto record = record_of(1, {EnergyDomain::package});
  const Node energy{Place::zone(0, EnergyDomain::package), File::energy_uj};
  record.zone(0, EnergyDomain::package).published_uj = range + 5000;
  EXPECT_EQ(VmTree(&record).content(energy, false).value(), "5000\n");
  record.zone(0, EnergyDomain::package).published_uj = range - 1000;
  EXPECT_EQ(VmTree(&record).content(energy, false).value(), "4294967294999000\n");
}

TEST(VmTree, RefusesEnergyAloneWhenStale) {
  const auto record = full_record(1);
  const auto zone = Place::zone(0, EnergyDomain::core);
  EXPECT_EQ(VmTree(&record).content({zone, File::energy_uj}, true).error().code, ENODATA);
  EXPECT_EQ(VmTree(&record).content({zone, File::name}, true).value(), "core\n");
}

TEST(VmTree, EnergyModeNeverAllowsWriting) {
  auto record = full_record(1);
  record.energy_mode = 0666;
  const Node energy{Place::zone(0, EnergyDomain::package), File::energy_uj};
  EXPECT_EQ(VmTree(&record).attributes(energy)->permissions, 0444u);
  record.energy_mode = 0440;
  EXPECT_EQ(VmTree(&record).attributes(energy)->permissions, 0440u);
}

TEST(VmTree, AnswersForEveryInodeNumberThereIs) {
  const auto record = record_of(1, {EnergyDomain::package, EnergyDomain::core});
  std::size_t existing = 0;
  for (const auto* known : {&record, static_cast<const VmRecord*>(nullptr)})
    for (std::uint16_t place = 0; place < 2 + 64 * 4; ++place)
      for (std::uint8_t file = 0; file <= static_cast<std::uint8_t>(File::flat_link); ++file) {
        const VmTree tree(known);
        const Node node{{place}, static_cast<File>(file)};
        const auto attributes = tree.attributes(node);
        existing += attributes.has_value();
        EXPECT_EQ(tree.content(node, false).has_value(),
                  attributes && attributes->type == FileType::regular);
        EXPECT_EQ(tree.target(node).has_value(), attributes && attributes->type == FileType::link);
        if (!attributes || attributes->type != FileType::directory) {
          EXPECT_TRUE(tree.list(node).empty());
        }
      }
  // The walks above count the same paths and the VM's own directory.
  EXPECT_EQ(existing, walk(VmTree(&record)).size() + 1 + walk(VmTree(nullptr)).size() + 1);
}

TEST(VmTree, RefusesWritesAsTheKernelDoesWithLockedLimits) {
  const auto record = full_record(1);
  const VmTree tree(&record);
  const auto refusal = [&](File file, std::string_view text) {
    return tree.write_refusal({Place::zone(0, EnergyDomain::package), file}, text);
  };
  EXPECT_EQ(refusal(File::constraint_0_power_limit_uw, "65000000\n"), ENODATA);
  EXPECT_EQ(refusal(File::constraint_0_power_limit_uw, "-1"), ENODATA);
  for (const auto* junk : {"", "\n", "-", "1 2", "0x10", "1\n\n"})
    EXPECT_EQ(refusal(File::constraint_1_time_window_us, junk), EINVAL) << junk;
  for (const auto* yes_or_no : {"0\n", "1", "y", "No", "on", "OFF\n"})
    EXPECT_EQ(refusal(File::enabled, yes_or_no), ENOSYS) << yes_or_no;
  for (const auto* junk : {"", "2", "o", "x"}) EXPECT_EQ(refusal(File::enabled, junk), EINVAL) << junk;
  EXPECT_EQ(refusal(File::uevent, "add"), EINVAL);
  EXPECT_EQ(refusal(File::energy_uj, "0"), EACCES);
  EXPECT_EQ(tree.write_refusal({Place::zone(1, EnergyDomain::package), File::enabled}, "0"), ENOENT);
}

}  // namespace
}  // namespace vpowercap
