// SPDX-License-Identifier: Apache-2.0
#include "host/sampler/idle_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/file.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

IdleLearner learned(std::uint64_t power_uw) {
  IdleLearner learner;
  for (int i = 0; i < 700; ++i) learner.observe("intel-rapl:0 package-0", power_uw, 1, 100, 1s);
  return learner;
}

TEST(IdleFile, GivesBackWhatWasSaved) {
  const testing::TempDir dir;
  IdleFile file(dir.path("state"));
  ASSERT_TRUE(file.save(learned(7'654'321).memory()));
  const auto memory = IdleFile(dir.path("state")).load();
  ASSERT_TRUE(memory) << memory.error().message;
  IdleLearner learner;
  learner.restore(*memory);
  EXPECT_EQ(learner.estimate("intel-rapl:0 package-0").power_uw, 7'654'321u);
  EXPECT_EQ(learner.estimate("intel-rapl:0 package-0").confidence, IdleConfidence::good);
  EXPECT_TRUE(file.save(learned(5'000'000).memory()));
  EXPECT_TRUE(file.load());
}

TEST(IdleFile, RootAloneWritesIt) {
  const testing::TempDir dir;
  ASSERT_TRUE(IdleFile(dir.path()).save(learned(5'000'000).memory()));
  struct stat status{};
  ASSERT_EQ(::stat(dir.path("idle.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07733, 0600u);
}

TEST(IdleFile, AMissingFileIsNamed) {
  const testing::TempDir dir;
  const auto memory = IdleFile(dir.path()).load();
  EXPECT_EQ(memory.error().code, ENOENT);
  EXPECT_NE(memory.error().message.find("idle.json"), std::string::npos);
}

TEST(IdleFile, ABrokenFileIsRefusedWhole) {
  const testing::TempDir dir;
  const auto with_cells = [](const std::string& cells) {
    return R"({"version":1,"zones":[{"name":"z","cells":)" + cells + "}]}";
  };
  dir.write("idle.json", with_cells("[[0,5,1.5]]"));
  ASSERT_TRUE(IdleFile(dir.path()).load());
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("null"),
        std::string(R"({"version":2,"zones":[]})"), std::string(R"({"version":1})"),
        std::string(R"({"version":1,"zones":[7]})"), std::string(R"({"version":1,"zones":[{}]})"),
        with_cells("5"), with_cells("[[20,5,1]]"), with_cells("[[0,0,1]]"), with_cells("[[0,5,-1]]"),
        with_cells("[[0,5,1e300]]"), with_cells("[[0,5]]"), with_cells("[[-1,5,1]]"),
        with_cells(R"([["0",5,1]])"), with_cells("[[0,5,1],3]")}) {
    dir.write("idle.json", text);
    const auto memory = IdleFile(dir.path()).load();
    ASSERT_FALSE(memory) << text;
    EXPECT_EQ(memory.error().code, EPROTO) << text;
    EXPECT_NE(memory.error().message.find(dir.path("idle.json")), std::string::npos);
  }
}

TEST(IdleFile, OneOfMoreThan8MiBIsNotRead) {
  const testing::TempDir dir;
  IdleFile file(dir.path());
  auto text = print_idle_memory(learned(5'000'000).memory());
  text.resize(std::size_t{8} << 20, ' ');
  dir.write("idle.json", text);
  EXPECT_TRUE(file.load());
  dir.write("idle.json", text + " ");
  const auto refused = file.load();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, EFBIG);
  EXPECT_NE(refused.error().message.find(dir.path("idle.json")), std::string::npos);
}

TEST(IdleFile, NothingLearnedIsNothingWritten) {
  const testing::TempDir dir;
  IdleFile file(dir.path("state"));
  ASSERT_TRUE(file.save({}));
  EXPECT_EQ(file.load().error().code, ENOENT);
}

TEST(IdleFile, WhatHasNotChangedIsNotWrittenAgain) {
  const testing::TempDir dir;
  IdleFile file(dir.path());
  ASSERT_TRUE(file.save(learned(5'000'000).memory()));
  dir.remove("idle.json");
  ASSERT_TRUE(file.save(learned(5'000'000).memory()));
  EXPECT_EQ(file.load().error().code, ENOENT);
  ASSERT_TRUE(file.save(learned(6'000'000).memory()));
  EXPECT_TRUE(file.load());
}

TEST(IdleFile, WhereItCannotWriteItSaysSo) {
  const testing::TempDir dir;
  dir.write("state", "a file");
  const auto done = IdleFile(dir.path("state")).save(learned(5'000'000).memory());
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("state/idle.json"), std::string::npos);
}

}  // namespace
}  // namespace vpowercap
