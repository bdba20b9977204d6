// SPDX-License-Identifier: Apache-2.0
// States that wait for their VMs: none is lost that was taken.
#include "host/sampler/awaited_vms.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "common/base/file.hpp"
#include "common/ledger/mapping.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

Uuid uuid_of(std::uint32_t number) {
  Uuid uuid;
  uuid.bytes[0] = static_cast<std::uint8_t>(number);
  uuid.bytes[1] = static_cast<std::uint8_t>(number >> 8);
  return uuid;
}

HandOver state_of(std::uint32_t number, std::uint64_t shown_uj = 5) {
  return {uuid_of(number), {{0, EnergyDomain::package, shown_uj}, {1, EnergyDomain::dram, 7}}};
}

struct Awaited : ::testing::Test {
  testing::TempDir dir;
  const std::string directory = dir.path("awaited");

  [[nodiscard]] std::string file_of(std::uint32_t number) const {
    return "awaited/" + uuid_of(number).to_string() + ".json";
  }
  /// Those that wait, and what the first counter of each says.
  static std::map<Uuid, std::uint64_t> waiting(AwaitedVms& awaited, Nanoseconds now) {
    std::map<Uuid, std::uint64_t> found;
    awaited.apply_all(now, [&](const HandOver& state) {
      found[state.uuid] = state.counters.at(0).shown_uj;
      return false;
    });
    return found;
  }
  static std::string told(AwaitedVms& awaited) {
    std::string all;
    for (const auto& problem : awaited.take_problems()) all += problem.message + "\n";
    return all;
  }
};

TEST_F(Awaited, AStateThatWasTakenOutlivesItsTaker) {
  ASSERT_TRUE(AwaitedVms(directory).add(state_of(1, 90), 100s));
  AwaitedVms later(directory);
  EXPECT_EQ(waiting(later, 200s), (std::map<Uuid, std::uint64_t>{{uuid_of(1), 90}}));
  struct stat status{};
  ASSERT_EQ(::stat(directory.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  EXPECT_EQ(told(later), "");
}

TEST_F(Awaited, TheLastStateHoldsAlsoForASuccessor) {
  AwaitedVms awaited(directory);
  for (const std::uint64_t shown : {90, 40})
    ASSERT_TRUE(awaited.add(state_of(1, shown), 100s));
  EXPECT_EQ(waiting(awaited, 100s).at(uuid_of(1)), 40u);
  AwaitedVms later(directory);
  EXPECT_EQ(waiting(later, 100s).at(uuid_of(1)), 40u);
}

TEST_F(Awaited, OneThatWasUsedIsForgottenOnlyWhenToldSo) {
  {
    AwaitedVms awaited(directory);
    ASSERT_TRUE(awaited.add(state_of(1), 100s));
    ASSERT_TRUE(awaited.add(state_of(2), 100s));
    awaited.apply_all(100s, [](const HandOver& state) { return state.uuid == uuid_of(1); });
    AwaitedVms killed_here(directory);
    EXPECT_EQ(waiting(killed_here, 100s).size(), 2u) << "the ledger has not got it yet";
    awaited.forget_applied();
  }
  AwaitedVms later(directory);
  EXPECT_EQ(waiting(later, 100s), (std::map<Uuid, std::uint64_t>{{uuid_of(2), 5}}));
}

TEST_F(Awaited, OneThatCameAgainMeanwhileIsNotForgotten) {
  AwaitedVms awaited(directory);
  ASSERT_TRUE(awaited.add(state_of(1, 5), 100s));
  awaited.apply_all(100s, [](const HandOver&) { return true; });
  ASSERT_TRUE(awaited.add(state_of(1, 6), 100s));
  awaited.forget_applied();
  EXPECT_EQ(waiting(awaited, 100s).at(uuid_of(1)), 6u);
}

TEST_F(Awaited, TenMinutesEndAndSoDoesTheFile) {
  ASSERT_TRUE(AwaitedVms(directory).add(state_of(1), 100s));
  AwaitedVms later(directory);
  EXPECT_EQ(waiting(later, 700s).size(), 1u);
  EXPECT_EQ(waiting(later, 701s).size(), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

TEST_F(Awaited, AFullHouseIsToldToWhoeverComesToo) {
  AwaitedVms awaited(directory);
  for (std::uint32_t i = 0; i < max_vms; ++i) ASSERT_TRUE(awaited.add(state_of(i), 100s));
  const auto refused = awaited.add(state_of(max_vms), 100s);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ENOSPC);
  EXPECT_NE(refused.error().message.find("512"), std::string::npos);
  EXPECT_TRUE(awaited.add(state_of(7, 9), 100s)) << "that one has its place";
  AwaitedVms later(directory);
  EXPECT_EQ(later.add(state_of(max_vms), 100s).error().code, ENOSPC);
  EXPECT_EQ(waiting(later, 100s).size(), max_vms);
  later.apply_all(100s, [](const HandOver& state) { return state.uuid == uuid_of(7); });
  later.forget_applied();
  EXPECT_TRUE(later.add(state_of(max_vms), 100s));
}

TEST_F(Awaited, WhatCannotBeKeptIsNotTaken) {
  dir.write("awaited", "a file where the directory should be");
  AwaitedVms awaited(directory);
  const auto refused = awaited.add(state_of(1), 100s);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find(directory), std::string::npos) << refused.error().message;
  EXPECT_EQ(waiting(awaited, 100s).size(), 0u);
}

TEST_F(Awaited, ABadFileIsRefusedByNameAndHarmsNoOther) {
  ASSERT_TRUE(AwaitedVms(directory).add(state_of(1, 90), 100s));
  const auto good = *read_file_at(AT_FDCWD, dir.path(file_of(1)));
  for (const auto& text : {std::string(), good.substr(0, good.size() / 2), std::string("[]"),
                           std::string(R"({"boot":1,"until_ns":2,"state":{}})"),
                           std::string(R"({"boot":"x","until_ns":-2,"state":{}})"),
                           std::string(R"({"boot":"x","until_ns":2,"state":{}})"), good,
                           std::string(70'000, ' ')}) {
    dir.write(file_of(2), text);
    AwaitedVms awaited(directory);
    EXPECT_EQ(waiting(awaited, 100s), (std::map<Uuid, std::uint64_t>{{uuid_of(1), 90}})) << text;
    EXPECT_NE(told(awaited).find(dir.path(file_of(2))), std::string::npos) << text;
  }
}

TEST_F(Awaited, WhatAKilledTakerHadNotFinishedIsCleanedAway) {
  ASSERT_TRUE(AwaitedVms(directory).add(state_of(1), 100s));
  dir.write(file_of(2) + ".new", "{\"boot\"");
  AwaitedVms awaited(directory);
  EXPECT_EQ(waiting(awaited, 100s).size(), 1u);
  EXPECT_EQ(told(awaited), "");
  EXPECT_FALSE(std::filesystem::exists(dir.path(file_of(2) + ".new")));
}

TEST_F(Awaited, AStateOfAnotherBootWaitsNoLonger) {
  ASSERT_TRUE(AwaitedVms(directory).add(state_of(1), 100s));
  auto text = *read_file_at(AT_FDCWD, dir.path(file_of(1)));
  const auto boot = boot_id()->to_string();
  text.replace(text.find(boot), boot.size(), uuid_of(3).to_string());
  dir.write(file_of(1), text);
  AwaitedVms awaited(directory);
  EXPECT_EQ(waiting(awaited, 100s).size(), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(directory));
}

TEST_F(Awaited, NoFileMakesAStateWaitLongerThanTenMinutes) {
  ASSERT_TRUE(AwaitedVms(directory).add(state_of(1), 100'000s));
  AwaitedVms awaited(directory);
  EXPECT_EQ(waiting(awaited, 100s).size(), 1u);
  EXPECT_EQ(waiting(awaited, 701s).size(), 0u);
}

}  // namespace
}  // namespace vpowercap
