// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.hpp"

#include <fcntl.h>

#include <array>

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

TEST(ParseU64, TakesDecimalWithOrWithoutNewline) {
  EXPECT_EQ(parse_u64("262143328850\n"), 262143328850u);
  EXPECT_EQ(parse_u64("0"), 0u);
  EXPECT_EQ(parse_u64("18446744073709551615\n"), UINT64_MAX);
}

TEST(ParseU64, RefusesEverythingElse) {
  for (const char* text : {"", "\n", " 1", "1 ", "-1", "+1", "0x10", "1\n\n", "12a", "1.5"})
    EXPECT_EQ(parse_u64(text).error().code, EINVAL) << text;
  EXPECT_EQ(parse_u64("18446744073709551616\n").error().code, ERANGE);
}

TEST(ReadFileAt, NamesThePathThatFailed) {
  const testing::TempDir dir;
  const auto missing = read_file_at(AT_FDCWD, dir.path("absent"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ENOENT);
  EXPECT_NE(missing.error().message.find("absent"), std::string::npos);
}

TEST(ReadFileAt, RefusesMoreThanTheLimit) {
  const testing::TempDir dir;
  dir.write("long", std::string(100, 'x'));
  EXPECT_EQ(read_file_at(AT_FDCWD, dir.path("long"), 99).error().code, EFBIG);
  EXPECT_EQ(read_file_at(AT_FDCWD, dir.path("long"), 100)->size(), 100u);
}

TEST(PreadWhole, ReadsAKeptDescriptorAfresh) {
  const testing::TempDir dir;
  dir.write("counter", "1\n");
  const auto fd = open_at(AT_FDCWD, dir.path("counter"), O_RDONLY);
  ASSERT_TRUE(fd);
  std::array<char, 32> buffer;
  EXPECT_EQ(*pread_whole(fd->get(), buffer), "1\n");
  dir.write("counter", "22\n");
  EXPECT_EQ(*pread_whole(fd->get(), buffer), "22\n");
}

TEST(PreadLine, ReadsAKeptDescriptorAfreshAndRefusesWhatMayBeCut) {
  const testing::TempDir dir;
  dir.write("counter", "1\n");
  const auto fd = open_at(AT_FDCWD, dir.path("counter"), O_RDONLY);
  ASSERT_TRUE(fd);
  std::array<char, 4> buffer;
  EXPECT_EQ(*pread_line(fd->get(), buffer), "1\n");
  dir.write("counter", "22\n");
  EXPECT_EQ(*pread_line(fd->get(), buffer), "22\n");
  dir.write("counter", "333\n");
  EXPECT_EQ(pread_line(fd->get(), buffer).error().code, EFBIG);
  dir.write("counter", "");
  EXPECT_EQ(*pread_line(fd->get(), buffer), "");
}

}  // namespace
}  // namespace vpowercap
