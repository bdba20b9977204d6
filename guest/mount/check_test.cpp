// SPDX-License-Identifier: Apache-2.0
// The check on fake trees whose counters another thread or process moves.
#include "guest/mount/check.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "common/base/unique_fd.hpp"
#include "guest/mount/movement.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using std::chrono::milliseconds;

struct Check : ::testing::Test {
  testing::TempDir dir;
  CheckOptions options{{"vpowercap", dir.path("powercap")}, true, milliseconds(500)};
  std::vector<Finding> findings;

  Check() {
    dir.write("powercap/intel-rapl:0/name", "package-0\n");
    dir.write("powercap/intel-rapl:0/max_energy_range_uj", "4294967295000000\n");
    energy("000001000\n");
  }
  void energy(const std::string& text) const { dir.write("powercap/intel-rapl:0/energy_uj", text); }
  void look() {
    check_share(options, [&](const Finding& finding) { findings.push_back(finding); });
  }
  /// All findings on `subject`: "ok: …" or "problem: …", one a line.
  [[nodiscard]] std::string on(const std::string& subject) const {
    std::string text;
    for (const auto& finding : findings)
      if (finding.subject == subject)
        text += (finding.ok ? "ok: " : "problem: ") + finding.sentence + "\n";
    return text;
  }
  [[nodiscard]] bool all_ok() const {
    for (const auto& finding : findings)
      if (!finding.ok) return false;
    return !findings.empty();
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Counts up in the file of fixed width, in place, every 20 ms until told to stop.
void move_counter(const std::string& path, const std::atomic<bool>& stop) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  for (unsigned value = 2000; !stop; value += 1000) {
    char text[32];
    const int length = std::snprintf(text, sizeof text, "%09u\n", value);
    if (::pwrite(file.get(), text, static_cast<std::size_t>(length), 0) != length) return;
    std::this_thread::sleep_for(milliseconds(20));
  }
}

TEST_F(Check, FindsNothingWrongWithATreeThatMoves) {
  std::atomic<bool> stop = false;
  std::thread mover([&] { move_counter(dir.path("powercap/intel-rapl:0/energy_uj"), stop); });
  look();
  stop = true;
  mover.join();
  EXPECT_TRUE(all_ok()) << on("mount") + on("zones") + on("energy") + on("moves") + on("descriptor");
  EXPECT_TRUE(has(on("zones"), "intel-rapl:0 (package-0)"));
  EXPECT_TRUE(has(on("moves"), "ok: "));
  EXPECT_TRUE(has(on("descriptor"), "ok: "));
}

TEST_F(Check, ACounterThatStandsStillIsAProblem) {
  look();
  EXPECT_TRUE(has(on("energy"), "ok: "));
  EXPECT_TRUE(has(on("moves"), "problem: intel-rapl:0/energy_uj stood still for 0.5 s")) << on("moves");
  EXPECT_EQ(on("descriptor"), "") << "nothing can be said about it";
}

TEST_F(Check, AKeptDescriptorThatShowsOldValuesIsAProblem) {
  std::atomic<bool> stop = false;
  std::thread replacer([&] {  // a new file in the old one's place: what was open keeps the old content
    for (unsigned value = 2000; !stop; value += 1000) {
      dir.write("next", std::to_string(value) + "\n");
      (void)std::rename(dir.path("next").c_str(), dir.path("powercap/intel-rapl:0/energy_uj").c_str());
      std::this_thread::sleep_for(milliseconds(20));
    }
  });
  look();
  stop = true;
  replacer.join();
  EXPECT_TRUE(has(on("moves"), "ok: "));
  EXPECT_TRUE(has(on("descriptor"), "problem: ")) << on("descriptor");
  EXPECT_TRUE(has(on("descriptor"), "cache"));
}

TEST_F(Check, ACounterOfZeroIsAProblem) {
  energy("0\n");
  look();
  EXPECT_TRUE(has(on("energy"), "problem: intel-rapl:0/energy_uj is 0"));
}

TEST_F(Check, AMissingRangeIsAProblemThatNamesTheFile) {
  dir.remove("powercap/intel-rapl:0/max_energy_range_uj");
  look();
  EXPECT_TRUE(has(on("zones"), "problem: "));
  EXPECT_TRUE(has(on("zones"), "intel-rapl:0/max_energy_range_uj"));
}

TEST_F(Check, AnEmptyTreeIsAProblem) {
  dir.remove("powercap/intel-rapl:0");
  look();
  EXPECT_TRUE(has(on("zones"), "problem: no zones in " + dir.path("powercap")));
}

TEST_F(Check, ATreeThatIsNotMountedIsAProblemUnlessToldOff) {
  options.any_filesystem = false;
  look();
  EXPECT_TRUE(has(on("mount"), "problem: nothing is mounted on")) << on("mount");
  EXPECT_TRUE(has(on("zones"), "ok: ")) << "the rest is looked at all the same";
  findings.clear();
  options.share.target = "/proc";
  look();
  EXPECT_TRUE(has(on("mount"), "problem: /proc has a proc of")) << on("mount");
  findings.clear();
  dir.make_directory("bare");
  options.share.target = dir.path("bare");
  look();
  ASSERT_EQ(findings.size(), 1u) << "an empty directory says nothing about the host";
  findings.clear();
  options.share.target = dir.path("absent");
  look();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_TRUE(has(on("mount"), "does not exist"));
}

TEST_F(Check, InAProcessOfItsOwnFindsTheSame) {
  const pid_t mover = ::fork();
  if (mover == 0) {
    const std::atomic<bool> never = false;
    move_counter(dir.path("powercap/intel-rapl:0/energy_uj"), never);
    ::_exit(1);
  }
  ASSERT_GT(mover, 0);
  check_within(
      options, std::chrono::seconds(30), [&](const Finding& finding) { findings.push_back(finding); },
      [](const Report& report) { report({true, "agent", "last"}); });
  EXPECT_EQ(findings.back().sentence, "last");
  ::kill(mover, SIGKILL);
  ::waitpid(mover, nullptr, 0);
  EXPECT_TRUE(all_ok()) << on("check") + on("energy") + on("moves");
  EXPECT_TRUE(has(on("zones"), "ok: 1 zone: intel-rapl:0 (package-0)"));
  EXPECT_TRUE(has(on("descriptor"), "ok: a file that is kept open shows fresh values"));
}

TEST_F(Check, OneThatNeverEndsIsReportedAsHanging) {
  options.wait = std::chrono::hours(1);  // the counter stands still: as good as a read that hangs
  check_within(options, milliseconds(300),
               [&](const Finding& finding) { findings.push_back(finding); });
  EXPECT_TRUE(has(on("energy"), "ok: ")) << "what was found before is not lost";
  EXPECT_TRUE(has(on("check"), "problem: reading " + dir.path("powercap") + " hangs"));
}

Movement movement_of(std::initializer_list<Look> looks) {
  Movement movement;
  for (const auto look : looks) movement.add(look);
  return movement;
}

TEST(Movement, AFreshDescriptorIsFreshOnAGrid) {
  const auto seen = movement_of({{1, 1}, {1, 1}, {2, 2}, {2, 2}});
  EXPECT_EQ(seen.moves, 1u);
  EXPECT_FALSE(seen.held_is_stale());
  EXPECT_TRUE(seen.settled());
}

TEST(Movement, AChangeBetweenTheTwoReadsIsNoCache) {
  const auto seen = movement_of({{1, 1}, {1, 2}, {2, 2}, {3, 3}});
  EXPECT_EQ(seen.lagged, 1u);
  EXPECT_FALSE(seen.held_is_stale());
}

TEST(Movement, ACounterThatNeverRestsIsNoCache) {
  EXPECT_FALSE(movement_of({{1, 2}, {11, 12}, {21, 22}}).held_is_stale());
}

TEST(Movement, ADescriptorThatShowsTheOldValueAtEveryChangeIsStale) {
  EXPECT_TRUE(movement_of({{1, 1}, {1, 2}, {2, 2}, {2, 3}, {3, 4}}).held_is_stale()) << "one behind";
  EXPECT_TRUE(movement_of({{1, 1}, {1, 2}, {1, 3}, {1, 4}}).held_is_stale()) << "frozen";
}

}  // namespace
}  // namespace vpowercap
