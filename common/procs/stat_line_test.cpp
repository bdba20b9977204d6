// SPDX-License-Identifier: Apache-2.0
#include "common/procs/stat_line.hpp"

#include "tests/support/fake_proc.hpp"

namespace vpowercap {
namespace {

TEST(StatLine, EndsTheNameAtTheLastParenthesis) {
  for (const std::string comm : {"qemu", "", "a b", ") S 1 2 3", "((", "))", "x\n) (y", "CPU 0/KVM"}) {
    const std::string text = testing::stat_line(77, comm, 4711, 3);
    const auto line = StatLine::parse(text);
    ASSERT_TRUE(line) << comm;
    EXPECT_EQ(line->comm(), comm);
    EXPECT_EQ(line->field(22), 4711u);
    EXPECT_EQ(line->field(39), 3u);
  }
}

TEST(StatLine, RefusesWhatIsNone) {
  for (const char* text : {"", "\n", "1 (x", "1 x) S 1\n", ")(\n", "1 (x)S\n", "1 (x) S 1"}) {
    const auto line = StatLine::parse(text);
    ASSERT_FALSE(line) << text;
    EXPECT_EQ(line.error().code, EPROTO);
  }
}

TEST(StatLine, RefusesFieldsThatAreMissingOrNoNumbers) {
  const auto line = StatLine::parse("1 (x) S -4 18446744073709551616 7\n");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->field(6), 7u);
  for (const unsigned number : {3u, 4u, 5u, 7u, 22u}) {
    const auto value = line->field(number);
    ASSERT_FALSE(value) << number;
    EXPECT_EQ(value.error().code, EPROTO);
    EXPECT_NE(value.error().message.find("field " + std::to_string(number)), std::string::npos);
  }
}

TEST(VcpuOf, KnowsQemusThreadNamesOnly) {
  EXPECT_EQ(vcpu_of("CPU 0/KVM"), 0u);
  EXPECT_EQ(vcpu_of("CPU 127/TCG"), 127u);
  for (const char* comm : {"CPU /KVM", "CPU 0", "CPU 0/kvm", "CPU -1/KVM", "CPU 0/KVM2", " CPU 0/KVM",
                           "CPU 4294967296/KVM", "ALL CPUs/TCG", "IO mon_iothread", ""})
    EXPECT_EQ(vcpu_of(comm), std::nullopt) << comm;
}

}  // namespace
}  // namespace vpowercap
