// SPDX-License-Identifier: Apache-2.0
#include "common/model/energy_domain.hpp"

namespace vpowercap {
namespace {

TEST(ZoneName, KnowsTheKernelsNames) {
  EXPECT_EQ(parse_zone_name("package-12")->package, 12u);
  EXPECT_EQ(parse_zone_name("package-0-die-1")->die, 1u);
  EXPECT_EQ(parse_zone_name("dram")->domain, EnergyDomain::dram);
  EXPECT_EQ(parse_zone_name("psys")->domain, EnergyDomain::psys);
  EXPECT_EQ(parse_zone_name("psys-1")->package, 1u);
}

TEST(ZoneName, RefusesOthers) {
  for (const char* name : {"", "package", "package-", "package-x", "package-0-die-", "package-0 ",
                           "dram0", "package--1", "package-99999999999", "current_energy0"})
    EXPECT_FALSE(parse_zone_name(name)) << name;
}

}  // namespace
}  // namespace vpowercap
