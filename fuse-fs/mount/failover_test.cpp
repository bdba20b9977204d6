// SPDX-License-Identifier: Apache-2.0
// Servers are killed at random instants, also while they start, under readers of every kind: none of
// them sees more than a pause. VPOWERCAP_KILLS and VPOWERCAP_JOURNAL_KILLS set how many,
// VPOWERCAP_SEED when.
#include <sys/resource.h>

#include <map>
#include <random>

#include "tests/support/failover.hpp"

namespace vpowercap {
namespace {

using std::chrono::microseconds;
using testing::Failover;
using testing::known_vm;
using testing::milliseconds_of;
using testing::setting;

/// Kills of servers 0 to 10 ms after their start, each tenth time of one that worked for up to 100 ms.
class KilledServers : public Failover {
 protected:
  void kill_under_readers(std::uint64_t kills) {
    std::mt19937_64 random(setting("VPOWERCAP_SEED", 1));
    start_readers();
    std::vector<Nanoseconds> gaps;
    pid_t server = -1;
    for (std::uint64_t kill = 0; kill < kills; ++kill) {
      server = next_server(server);
      ASSERT_GT(server, 0);
      std::this_thread::sleep_for(microseconds(random() % (kill % 10 == 9 ? 100'000 : 10'000)));
      ASSERT_EQ(::kill(server, SIGKILL), 0);
      if (kill % 10 == 0 || kill % 10 == 9) gaps.push_back(time_of_a_read());
    }
    last_ = next_server(server);
    std::ranges::sort(gaps);
    std::cout << kills << " kills; a read begun at the kill took "
              << milliseconds_of(gaps[gaps.size() / 2]) << " ms in the median, "
              << milliseconds_of(gaps[gaps.size() * 99 / 100]) << " ms at p99\n";
    expect_nothing_seen(kills / 20, setting("VPOWERCAP_LONGEST_READ_MS", 0));
  }

  pid_t last_ = -1;
};

TEST_F(KilledServers, CostNoRead) { kill_under_readers(setting("VPOWERCAP_KILLS", 200)); }

/// As before Linux 6.9, whose kernels cannot be asked to send again what was not answered.
TEST_F(KilledServers, CostNoReadWithTheJournalAlone) {
  const char* const alone = std::getenv("VPOWERCAP_FS_JOURNAL_ALONE");
  if (alone == nullptr)
    GTEST_SKIP() << "VPOWERCAP_FS_JOURNAL_ALONE names no server that asks for no resend (run by meson "
                    "test)";
  install(alone);
  const auto own = next_server(-1);
  ::kill(own, SIGKILL);
  ASSERT_GT(next_server(own), 0);
  std::cout << "the journal alone, ";
  kill_under_readers(setting("VPOWERCAP_JOURNAL_KILLS", 200));
  EXPECT_EQ(program_of(last_), std::filesystem::canonical(alone));
}

class ShippedSettings : public Failover {
 protected:
  /// Those that a package has. Only the first of several kills in a row is made good at once.
  void choose_settings() override {
    command_.erase(std::ranges::find(command_, "--interval"),
                   std::ranges::find(command_, "--interval") + 2);
  }
};

TEST_F(ShippedSettings, CostNoReadEither) {
  const auto kills = setting("VPOWERCAP_SHIPPED_KILLS", 5);
  start_readers();
  std::vector<Nanoseconds> gaps;
  pid_t server = -1;
  for (std::uint64_t kill = 0; kill < kills; ++kill) {
    server = next_server(server);
    ASSERT_GT(server, 0);
    time_of_a_read();
    ASSERT_EQ(::kill(server, SIGKILL), 0);
    gaps.push_back(time_of_a_read());
  }
  std::cout << kills << " kills; with the settings of a package a read begun at the first took "
            << milliseconds_of(gaps.front()) << " ms, at one of the others, with no pause between, "
            << milliseconds_of(*std::max_element(gaps.begin() + 1, gaps.end())) << " ms at most\n";
  expect_nothing_seen(kills);
}

/// What the program says that it is.
std::string version_of(const std::string& program) {
  const std::unique_ptr<FILE, int (*)(FILE*)> said(::popen((program + " --version").c_str(), "r"),
                                                   &::pclose);
  char line[128] = "";
  if (said == nullptr || std::fgets(line, sizeof line, said.get()) == nullptr) return "";
  return std::string(without_newline(line));
}

/// An upgrade and a downgrade, again and again: servers of two versions follow each other.
TEST_F(Failover, TwoBuildsTakeTurns) {
  const char* const other = std::getenv("VPOWERCAP_FS_OTHER");
  if (other == nullptr)
    GTEST_SKIP() << "VPOWERCAP_FS_OTHER names no server of another version (run by meson test)";
  const auto ours = version_of(own_), theirs = version_of(other);
  ASSERT_TRUE(ours.starts_with("vpowercap-fs ") && theirs.starts_with("vpowercap-fs "));
  ASSERT_NE(ours, theirs) << "they say that they are the same";
  const auto turns = setting("VPOWERCAP_TURNS", 20);
  std::mt19937_64 random(setting("VPOWERCAP_SEED", 1));
  start_readers();
  std::map<std::string, std::uint64_t> seen;
  pid_t server = next_server(-1);
  for (std::uint64_t turn = 0; turn < turns; ++turn) {
    install(turn % 2 == 0 ? other : own_);
    ASSERT_EQ(::kill(server, SIGKILL), 0);
    server = next_server(server);
    ASSERT_GT(server, 0);
    ++seen[program_of(server)];
    time_of_a_read();  // each of them has answered
    std::this_thread::sleep_for(microseconds(random() % 20'000));
  }
  std::cout << turns << " changes between two builds, " << ours << " and " << theirs << "\n";
  EXPECT_EQ(seen[std::filesystem::canonical(other)], (turns + 1) / 2);
  EXPECT_EQ(seen[std::filesystem::canonical(own_)], turns / 2);
  expect_nothing_seen(turns / 2);
}

TEST_F(Failover, ADescriptorOutlivesManyServers) {
  char buffer[64];
  ASSERT_EQ(::pread(kept_.get(), buffer, 3, 0), 3);
  const auto server = next_server(-1);
  ASSERT_GT(server, 0);
  ::kill(server, SIGKILL);
  publish(known_vm, 12'345'678);
  // What it began with the first server goes on with the second.
  EXPECT_EQ(::pread(kept_.get(), buffer, sizeof buffer, 3), 5);
  EXPECT_EQ(std::string_view(buffer, 5), "0000\n");
  EXPECT_EQ(pread_whole(kept_.get(), buffer).value(), "12345678\n");
  EXPECT_NE(next_server(server), server);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // where mlock() does nothing
TEST_F(Failover, TheServersJournalIsLockedInMemory) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur < 1 << 20)
    GTEST_SKIP() << "RLIMIT_MEMLOCK does not allow it";
  const auto server = next_server(-1);
  ASSERT_GT(server, 0);
  const auto text = read_file_at(AT_FDCWD, "/proc/" + std::to_string(server) + "/status").value_or("");
  const auto at = text.find("VmLck:");
  ASSERT_NE(at, std::string::npos);
  EXPECT_GT(std::strtoull(text.c_str() + at + 6, nullptr, 10), 128u) << "kB, of two threads";
}
#endif

}  // namespace
}  // namespace vpowercap
