// SPDX-License-Identifier: Apache-2.0
// Servers that hang: another takes over within the watchdog's time, and nobody who waits is beyond
// killing for longer. VPOWERCAP_HANGS sets how many.
#include <sys/wait.h>

#include "fuse-fs/journal/journal.hpp"
#include "tests/support/failover.hpp"

namespace vpowercap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::known_vm;
using testing::milliseconds_of;
using testing::setting;

/// Of the command line in MountProgram, and what a busy machine adds.
constexpr auto watchdog = seconds(1);
constexpr auto slack = seconds(8);

class HungServers : public testing::Failover {
 protected:
  /// A process that reads for ever, on a descriptor of its own or on `fd`; it ends with the errno.
  [[nodiscard]] pid_t fork_reader(int fd = -1) const {
    const auto path = zone_ + "/energy_uj";
    const auto pid = ::fork();
    if (pid != 0) return pid;
    for (char buffer[64];;) {
      const int used = fd >= 0 ? fd : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (used < 0 || ::pread(used, buffer, sizeof buffer, 0) <= 0) ::_exit(errno);
      if (fd < 0) ::close(used);
    }
  }
  /// Stops `server` when it has taken a read of one of `readers` and not answered it. False when it
  /// could not be caught so.
  [[nodiscard]] bool stop_with_a_read_of(const std::vector<pid_t>& readers, pid_t server) const {
    const auto journal = journal_of(helper_.pid());
    for (int attempt = 0; journal && attempt < 5000; ++attempt) {
      ::kill(server, SIGSTOP);
      for (int looks = 0; !is_stopped(server) && looks < 100'000; ++looks)
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      for (unsigned i = 0; i < journal->slot_count(); ++i) {
        const auto slot = journal->slot(i);
        if (slot.occupied() && slot.header().opcode == FUSE_READ && !slot.decided() &&
            std::ranges::count(readers, static_cast<pid_t>(slot.header().pid)) > 0)
          return true;
      }
      ::kill(server, SIGCONT);
      std::this_thread::sleep_for(std::chrono::microseconds(2000 + attempt * 17 % 1000));
    }
    return false;
  }
  static Result<Journal> journal_of(pid_t keeper) {
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(keeper) + "/fd"))
      if (std::filesystem::read_symlink(entry).string().starts_with("/memfd:vpowercap-journal"))
        return Journal::open(UniqueFd(::open(entry.path().c_str(), O_RDWR | O_CLOEXEC)).get());
    return fail(ENOENT, "has no journal");
  }
  static bool is_stopped(pid_t pid) {
    const auto tasks = "/proc/" + std::to_string(pid) + "/task";
    for (const auto& entry : std::filesystem::directory_iterator(tasks)) {
      const auto stat = read_file_at(AT_FDCWD, entry.path().string() + "/stat");
      if (!stat || stat->find(") T ") == std::string::npos) return false;
    }
    return true;
  }
  /// How it ended; nullopt when it has not after `patience`.
  static std::optional<int> ending(pid_t pid, Nanoseconds patience) {
    int status = 0;
    for (const auto begin = SystemClock().now(); ::waitpid(pid, &status, WNOHANG) == 0;) {
      if (SystemClock().now() - begin > patience) return std::nullopt;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return status;
  }
};

TEST_F(HungServers, CostNoReadAndKeepNobody) {
  const auto hangs = setting("VPOWERCAP_HANGS", 2);
  const auto longest = setting("VPOWERCAP_LONGEST_READ_MS",
                               static_cast<std::uint64_t>(milliseconds(watchdog + slack).count()));
  start_readers();
  pid_t server = -1;
  std::uint64_t held = 0;
  Nanoseconds worst{0};
  for (std::uint64_t hang = 0; hang < hangs; ++hang) {
    server = next_server(server);
    ASSERT_GT(server, 0);
    expect_each_reads_again();  // nobody waits for two of them
    std::vector<pid_t> victims;
    for (int i = 0; i < 4; ++i) victims.push_back(fork_reader(kept_.get()));
    ASSERT_TRUE(stop_with_a_read_of(victims, server));
    const auto begin = SystemClock().now();
    std::ranges::for_each(victims, [](pid_t victim) { ::kill(victim, SIGKILL); });
    for (const auto victim : victims) {
      // What the stopped server has taken holds its reader, until a successor answers it.
      if (ending(victim, milliseconds(50))) continue;
      ++held;
      EXPECT_TRUE(ending(victim, milliseconds(longest))) << "a reader is beyond killing";
    }
    worst = std::max(worst, SystemClock().now() - begin);
    time_of_a_read();
  }
  std::cout << hangs << " servers stopped; a watchdog of 1 s; " << held << " of " << 4 * hangs
            << " killed readers were held, for " << milliseconds_of(worst) << " ms at most\n";
  EXPECT_GE(held, hangs);
  EXPECT_LE(worst, milliseconds(longest));
  expect_nothing_seen(hangs, longest);
}

/// Where three in a row hang, another does not help: those who wait get an error.
TEST_F(HungServers, ThreeInARowLoseTheMountAndLetReadersGo) {
  start_publisher();
  const auto kept = fork_reader(kept_.get());
  pid_t server = next_server(-1);
  // One that has answered before it is stopped is none of the three.
  for (int stopped = 0; stopped < 20 && device() == device_; ++stopped) {
    ASSERT_GT(server, 0);
    ::kill(server, SIGSTOP);
    server = next_server(server);
  }
  EXPECT_NE(device(), device_);
  const auto status = ending(kept, watchdog + slack);
  ASSERT_TRUE(status) << "a reader of the lost mount waits for ever";
  ASSERT_TRUE(WIFEXITED(*status));
  EXPECT_TRUE(WEXITSTATUS(*status) == ENOTCONN || WEXITSTATUS(*status) == ECONNABORTED)
      << WEXITSTATUS(*status);
  EXPECT_TRUE(
      testing::eventually([&] { return read(known_vm, testing::energy_file).ends_with('\n'); }));
  const auto fresh = fork_reader();
  ::kill(fresh, SIGKILL);
  EXPECT_TRUE(ending(fresh, watchdog + slack));
}

}  // namespace
}  // namespace vpowercap
