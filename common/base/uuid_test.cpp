// SPDX-License-Identifier: Apache-2.0
#include "common/base/uuid.hpp"

namespace vpowercap {
namespace {

TEST(Uuid, RoundTripsInCanonicalForm) {
  const auto uuid = Uuid::parse("C7A5FDBD-EDAF-9455-926A-D65C16DB1809");
  ASSERT_TRUE(uuid);
  EXPECT_EQ(uuid->to_string(), "c7a5fdbd-edaf-9455-926a-d65c16db1809");
  EXPECT_EQ(Uuid::parse(uuid->to_string()), uuid);
}

TEST(Uuid, RefusesOtherForms) {
  for (const char* text :
       {"", "..", "c7a5fdbdedaf9455926ad65c16db1809", "c7a5fdbd-edaf-9455-926a-d65c16db180",
        "c7a5fdbd-edaf-9455-926a-d65c16db18099", "c7a5fdbd-edaf-9455-926a-d65c16db180g",
        "{c7a5fdbd-edaf-9455-926a-d65c16db180}", "c7a5fdbd_edaf_9455_926a_d65c16db1809"})
    EXPECT_FALSE(Uuid::parse(text)) << text;
}

}  // namespace
}  // namespace vpowercap
