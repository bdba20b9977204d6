// SPDX-License-Identifier: Apache-2.0
// Malformed powercap trees: one error naming the file, and the other zones go on.
#include <sys/stat.h>

#include "common/powercap/tree.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using testing::TempDir;

/// Two good zones; the tests spoil intel-rapl:0 and find intel-rapl:1 untouched.
class MalformedTree : public ::testing::Test {
 protected:
  MalformedTree() {
    for (const std::string id : {"0", "1"}) {
      dir_.write("intel-rapl:" + id + "/name", "package-" + id + "\n");
      dir_.write("intel-rapl:" + id + "/energy_uj", "12345\n");
      dir_.write("intel-rapl:" + id + "/max_energy_range_uj", "262143328850\n");
    }
  }

  /// Expects that intel-rapl:0 alone is left out, with one error of `code` that names `file`.
  void expect_refused(const std::string& file, int code, const std::string& why) {
    SCOPED_TRACE(file + ": " + why);
    const auto scan = scan_powercap(dir_.path());
    ASSERT_EQ(scan.zones.size(), 1u);
    EXPECT_EQ(scan.zones[0].info().id, "intel-rapl:1");
    EXPECT_EQ(*scan.zones[0].read_energy(), 12345u);
    ASSERT_EQ(scan.problems.size(), 1u);
    EXPECT_EQ(scan.problems[0].code, code);
    EXPECT_EQ(scan.problems[0].id, "intel-rapl:0");
    const std::string& message = scan.problems[0].message;
    EXPECT_NE(message.find(dir_.path(file)), std::string::npos) << message;
    EXPECT_NE(message.find(why), std::string::npos) << message;
  }

  TempDir dir_;
};

class MalformedFile : public MalformedTree, public ::testing::WithParamInterface<const char*> {
 protected:
  [[nodiscard]] static std::string file() { return std::string("intel-rapl:0/") + GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(, MalformedFile,
                         ::testing::Values("name", "max_energy_range_uj", "energy_uj"));

TEST_P(MalformedFile, EmptyIsRefused) {
  dir_.write(file(), "");
  expect_refused(file(), EINVAL, "empty");
}

TEST_P(MalformedFile, OnlyANewlineIsRefused) {
  dir_.write(file(), "\n");
  expect_refused(file(), EINVAL, "");
}

TEST_P(MalformedFile, WithoutNewlineIsRefused) {
  dir_.write(file(), std::string(GetParam()) == "name" ? "package-0" : "12345");
  expect_refused(file(), EINVAL, "without a newline");
}

TEST_P(MalformedFile, LettersAreRefused) {
  dir_.write(file(), "12a45\n");
  expect_refused(file(), EINVAL, "12a45");
}

TEST_P(MalformedFile, AbsentIsRefused) {
  dir_.remove(file());
  expect_refused(file(), ENOENT, "No such file");
}

TEST_P(MalformedFile, ADirectoryInItsPlaceIsRefused) {
  dir_.remove(file());
  dir_.make_directory(file());
  expect_refused(file(), EISDIR, "");
}

TEST_P(MalformedFile, AnEndlessOneIsNotReadToItsEnd) {
  dir_.remove(file());
  dir_.symlink(file(), "/dev/zero");
  expect_refused(file(), EFBIG, "longer");
}

TEST_P(MalformedFile, AFifoDoesNotBlock) {
  dir_.remove(file());
  ASSERT_EQ(::mkfifo(dir_.path(file()).c_str(), 0600), 0);
  expect_refused(file(), ESPIPE, "");
}

TEST_P(MalformedFile, ASecondLineIsRefused) {
  dir_.write(file(), std::string(GetParam()) == "name" ? "package-0\n\n" : "12345\n\n");
  expect_refused(file(), EINVAL, "");
}

TEST_F(MalformedTree, NumbersAbove64BitsAreRefused) {
  dir_.write("intel-rapl:0/energy_uj", "18446744073709551616\n");
  expect_refused("intel-rapl:0/energy_uj", ERANGE, "above 2^64-1");
  dir_.write("intel-rapl:0/energy_uj", "12345\n");
  dir_.write("intel-rapl:0/max_energy_range_uj", "18446744073709551616\n");
  expect_refused("intel-rapl:0/max_energy_range_uj", ERANGE, "above 2^64-1");
  dir_.write("intel-rapl:0/max_energy_range_uj", "262143328850\n");
  dir_.write("intel-rapl:0/name", "package-18446744073709551616\n");
  expect_refused("intel-rapl:0/name", EINVAL, "18446744073709551616");
}

TEST_F(MalformedTree, SignsAndBlanksAreRefused) {
  for (const char* text : {"-1\n", "+1\n", " 1\n", "1 \n", "0x1f\n", "1\r\n", "1.5\n"}) {
    dir_.write("intel-rapl:0/energy_uj", text);
    expect_refused("intel-rapl:0/energy_uj", EINVAL, "expected an unsigned decimal number");
  }
}

TEST_F(MalformedTree, AnUnknownNameIsOneProblem) {
  dir_.write("intel-rapl:0/name", "cpu0-cpufreq\n");
  expect_refused("intel-rapl:0/name", EINVAL, "cpu0-cpufreq");
}

TEST_F(MalformedTree, ARangeOfZeroIsRefused) {
  dir_.write("intel-rapl:0/max_energy_range_uj", "0\n");
  expect_refused("intel-rapl:0/max_energy_range_uj", ERANGE, "holds 0");
}

TEST_F(MalformedTree, ACounterAboveItsRangeIsRefused) {
  dir_.write("intel-rapl:0/energy_uj", "262143328851\n");
  expect_refused("intel-rapl:0/energy_uj", ERANGE, "above its max_energy_range_uj");
}

TEST_F(MalformedTree, AZoneThatVanishedSinceItWasListedIsOneProblem) {
  dir_.remove("intel-rapl:0");
  dir_.symlink("intel-rapl:0", "../../devices/virtual/powercap/intel-rapl/intel-rapl:0");
  expect_refused("intel-rapl:0/name", ENOENT, "No such file");
}

TEST_F(MalformedTree, ASubZoneOfAnUnknownPackageNamesTheParentsFile) {
  dir_.write("intel-rapl:2:0/name", "core\n");
  dir_.write("intel-rapl:2:0/energy_uj", "1\n");
  dir_.write("intel-rapl:2:0/max_energy_range_uj", "262143328850\n");
  const auto scan = scan_powercap(dir_.path());
  EXPECT_EQ(scan.zones.size(), 2u);
  ASSERT_EQ(scan.problems.size(), 1u);
  EXPECT_NE(scan.problems[0].message.find(dir_.path("intel-rapl:2/name")), std::string::npos);
}

TEST_F(MalformedTree, ASubZoneOutlivesAParentWithoutACounter) {
  dir_.write("intel-rapl:0/energy_uj", "");
  dir_.write("intel-rapl:0:0/name", "core\n");
  dir_.write("intel-rapl:0:0/energy_uj", "1\n");
  dir_.write("intel-rapl:0:0/max_energy_range_uj", "262143328850\n");
  const auto scan = scan_powercap(dir_.path());
  ASSERT_EQ(scan.zones.size(), 2u);
  EXPECT_EQ(scan.zones[0].info().id, "intel-rapl:0:0");
  EXPECT_EQ(scan.problems.size(), 1u);
}

TEST_F(MalformedTree, PartsAndPackagesAtTheWrongLevelAreRefused) {
  dir_.write("intel-rapl:0/name", "core\n");
  expect_refused("intel-rapl:0/name", EINVAL, "in none");
}

TEST_F(MalformedTree, AKeptZoneReportsWhatItsFileTurnsInto) {
  const auto scan = scan_powercap(dir_.path());
  ASSERT_EQ(scan.zones.size(), 2u);
  const std::string path = dir_.path("intel-rapl:0/energy_uj");
  for (const char* text : {"", "12345", "abc\n", "18446744073709551616\n", "262143328851\n"}) {
    dir_.write("intel-rapl:0/energy_uj", text);
    const auto value = scan.zones[0].read_energy();
    ASSERT_FALSE(value) << text;
    EXPECT_NE(value.error().message.find(path), std::string::npos) << value.error().message;
    EXPECT_EQ(*scan.zones[1].read_energy(), 12345u);
  }
}

}  // namespace
}  // namespace vpowercap
