// SPDX-License-Identifier: Apache-2.0
// Servers are killed at random instants, also while they start, under readers of every kind: none of
// them sees more than a pause. VPOWERCAP_KILLS sets how many, VPOWERCAP_SEED when.
#include <dirent.h>

#include <atomic>
#include <iostream>
#include <map>
#include <random>

#include "tests/support/guest_view.hpp"
#include "tests/support/mount_program.hpp"

namespace vpowercap {
namespace {

using std::chrono::microseconds;
using testing::eventually;
using testing::known_vm;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

double milliseconds_of(Nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

/// What readers saw, all together.
struct Seen {
  std::atomic<std::uint64_t> reads = 0, errors = 0, cut_off = 0, decreasing = 0;
  std::atomic<std::int64_t> worst_ns = 0;

  /// Does `read` once and notes how long it took.
  template <typename Read>
  void timed(Read read) {
    const auto begin = SystemClock().now();
    read();
    const auto took = (SystemClock().now() - begin).count();
    ++reads;
    for (auto worst = worst_ns.load(); took > worst && !worst_ns.compare_exchange_weak(worst, took);) {
    }
  }
  void fail(const std::string& what) {
    if (++errors < 10) std::cout << "failed: " << what << std::endl;
  }
  void judge(std::string_view text, std::uint64_t& last) {
    const auto value = text.ends_with('\n') ? parse_u64(text) : Result<std::uint64_t>(0);
    if (!value || *value == 0) ++cut_off;
    else if (*value < last) ++decreasing;
    else last = *value;
  }
};

int entries_in(const std::string& path) {
  DIR* const stream = ::opendir(path.c_str());
  if (stream == nullptr) return -1;
  int entries = 0;
  while (::readdir(stream) != nullptr) ++entries;
  ::closedir(stream);
  return entries;
}

class Failover : public testing::MountProgram {
 protected:
  void SetUp() override {
    MountProgram::SetUp();
    if (IsSkipped()) return;
    own_ = std::getenv("VPOWERCAP_FS");
    install(own_);
    std::ranges::replace(command_, own_, dir_->path() + "/vpowercap-fs");
    command_.insert(command_.end(), {"--longest-delay", "0"});
    publish(known_vm, 1'000'000);
    start();
    ASSERT_TRUE(reads(known_vm, "1000000\n"));
    zone_ = paths_.source(known_vm) + "/intel-rapl/intel-rapl:0";
    kept_.reset(::open((zone_ + "/energy_uj").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(kept_);
    entries_ = entries_in(zone_);
    ASSERT_GT(entries_, 10);
    device_ = device();
  }
  void TearDown() override {
    stop_ = true;
    threads_.clear();
    kept_.reset();  // a close waits for the server
    MountProgram::TearDown();
  }

  void run(void (Failover::*body)()) {
    threads_.emplace_back([this, body] { (this->*body)(); });
  }

  void publish_on() {
    for (std::uint64_t value = 1'000'001; !stop_; value += 999) {
      ASSERT_TRUE(writer_->store_vm(testing::vm_record(known_vm, value)));
      writer_->beat(SystemClock().now());
      std::this_thread::sleep_for(microseconds(500));
    }
  }
  void read_kept() {
    const UniqueFd file(::open((zone_ + "/energy_uj").c_str(), O_RDONLY | O_CLOEXEC));
    std::uint64_t last = 0;
    while (!stop_)
      seen_.timed([&] {
        char buffer[64];
        const auto text = pread_whole(file.get(), buffer);
        if (text) seen_.judge(*text, last);
        else seen_.fail(text.error().message);
      });
  }
  void read_fresh() {
    std::uint64_t last = 0;
    while (!stop_)
      seen_.timed([&] {
        const auto text = read_file_at(AT_FDCWD, zone_ + "/energy_uj");
        if (text) seen_.judge(*text, last);
        else seen_.fail(text.error().message);
      });
  }
  void read_in_pieces() {
    const UniqueFd file(::open((zone_ + "/energy_uj").c_str(), O_RDONLY | O_CLOEXEC));
    std::uint64_t last = 0;
    while (!stop_)
      seen_.timed([&] {
        std::string text;
        char piece[3];
        ssize_t got = 0;
        while ((got = ::pread(file.get(), piece, sizeof piece, static_cast<off_t>(text.size()))) > 0)
          text.append(piece, static_cast<std::size_t>(got));
        if (got < 0) seen_.fail("read in pieces: " + std::to_string(errno));
        else seen_.judge(text, last);
      });
  }
  void stat_on() {
    while (!stop_)
      seen_.timed([&] {
        struct stat found{};
        if (::stat((zone_ + "/energy_uj").c_str(), &found) != 0 || found.st_size != 4096)
          seen_.fail("stat: " + std::to_string(errno));
      });
  }
  void list_on() {
    while (!stop_)
      seen_.timed([&] {
        if (const int now = entries_in(zone_); now != entries_)
          seen_.fail(std::to_string(now) + " entries");
      });
  }
  void read_by_link() {
    std::uint64_t last = 0;
    while (!stop_)
      seen_.timed([&] {
        const auto text = read_file_at(AT_FDCWD, paths_.source(known_vm) + "/intel-rapl:0/energy_uj");
        if (text) seen_.judge(*text, last);
        else seen_.fail(text.error().message);
      });
  }
  void start_readers() {
    for (const auto body :
         {&Failover::publish_on, &Failover::read_kept, &Failover::read_fresh, &Failover::read_in_pieces,
          &Failover::stat_on, &Failover::list_on, &Failover::read_by_link})
      run(body);
  }

  /// From now on, servers are started from this program.
  void install(const std::string& program) const {
    const auto link = dir_->path() + "/vpowercap-fs";
    std::filesystem::create_symlink(program, link + ".new");
    std::filesystem::rename(link + ".new", link);
  }

  /// The server now, waiting for one other than `before`.
  pid_t next_server(pid_t before) {
    const auto path = "/proc/" + std::to_string(helper_.pid()) + "/task/" +
                      std::to_string(helper_.pid()) + "/children";
    for (;;) {
      std::ifstream children(path);
      for (pid_t child = 0; children >> child;) {
        const auto name = read_file_at(AT_FDCWD, "/proc/" + std::to_string(child) + "/comm");
        if (child != before && name && *name == "vpowercap-fs\n") return child;
      }
      std::this_thread::sleep_for(microseconds(100));
    }
  }
  /// How long a read takes that is begun right now.
  Nanoseconds time_of_a_read() {
    const auto begin = SystemClock().now();
    char buffer[64];
    EXPECT_TRUE(pread_whole(kept_.get(), buffer));
    return SystemClock().now() - begin;
  }
  void expect_nothing_seen() {
    std::cout << seen_.reads << " reads: " << seen_.errors << " errors, " << seen_.cut_off
              << " cut off, " << seen_.decreasing << " decreasing; worst read "
              << milliseconds_of(Nanoseconds(seen_.worst_ns)) << " ms\n";
    EXPECT_EQ(seen_.errors, 0u);
    EXPECT_EQ(seen_.cut_off, 0u);
    EXPECT_EQ(seen_.decreasing, 0u);
    EXPECT_GT(seen_.reads, 100u);
    EXPECT_EQ(device(), device_) << "it was mounted anew";
  }

  [[nodiscard]] dev_t device() const {
    struct stat found{};
    EXPECT_EQ(::fstat(kept_.get(), &found), 0);
    struct stat fresh{};
    EXPECT_EQ(::stat((zone_ + "/energy_uj").c_str(), &fresh), 0);
    EXPECT_EQ(found.st_dev, fresh.st_dev);
    return fresh.st_dev;
  }

  std::string own_;  ///< the server of this build
  std::string zone_;
  UniqueFd kept_;
  int entries_ = 0;
  dev_t device_ = 0;
  std::atomic<bool> stop_ = false;
  Seen seen_;
  std::vector<std::jthread> threads_;
};

TEST_F(Failover, KilledServersCostNoRead) {
  const auto kills = setting("VPOWERCAP_KILLS", 200);
  std::mt19937_64 random(setting("VPOWERCAP_SEED", 1));
  start_readers();
  std::vector<Nanoseconds> gaps;
  pid_t server = -1;
  for (std::uint64_t kill = 0; kill < kills; ++kill) {
    server = next_server(server);
    std::this_thread::sleep_for(microseconds(random() % 10'000));
    ASSERT_EQ(::kill(server, SIGKILL), 0);
    if (kill % 10 == 0) gaps.push_back(time_of_a_read());
  }
  time_of_a_read();
  std::ranges::sort(gaps);
  std::cout << kills << " kills; a read begun at the kill took "
            << milliseconds_of(gaps[gaps.size() / 2]) << " ms in the median, "
            << milliseconds_of(gaps[gaps.size() * 99 / 100]) << " ms at p99\n";
  expect_nothing_seen();
}

/// An upgrade and a downgrade, again and again: servers of two builds follow each other.
TEST_F(Failover, TwoBuildsTakeTurns) {
  const char* const other = std::getenv("VPOWERCAP_FS_OTHER");
  if (other == nullptr)
    GTEST_SKIP() << "VPOWERCAP_FS_OTHER names no server of another build (run by meson test)";
  const auto turns = setting("VPOWERCAP_TURNS", 20);
  std::mt19937_64 random(setting("VPOWERCAP_SEED", 1));
  start_readers();
  std::map<std::string, std::uint64_t> seen;
  pid_t server = next_server(-1);
  for (std::uint64_t turn = 0; turn < turns; ++turn) {
    install(turn % 2 == 0 ? other : own_);
    ASSERT_EQ(::kill(server, SIGKILL), 0);
    server = next_server(server);
    ++seen[std::filesystem::read_symlink("/proc/" + std::to_string(server) + "/exe")];
    std::this_thread::sleep_for(microseconds(random() % 20'000));
  }
  time_of_a_read();
  std::cout << turns << " changes between two builds\n";
  EXPECT_EQ(seen[std::filesystem::canonical(other)], (turns + 1) / 2);
  EXPECT_EQ(seen[std::filesystem::canonical(own_)], turns / 2);
  expect_nothing_seen();
}

TEST_F(Failover, HungServersCostNoRead) {
  const auto hangs = setting("VPOWERCAP_HANGS", 2);
  start_readers();
  pid_t server = -1;
  for (std::uint64_t hang = 0; hang < hangs; ++hang) {
    server = next_server(server);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ASSERT_EQ(::kill(server, SIGSTOP), 0);
    time_of_a_read();
  }
  std::cout << hangs << " servers stopped; a watchdog of 1 s\n";
  expect_nothing_seen();
}

TEST_F(Failover, ADescriptorOutlivesManyServers) {
  char buffer[64];
  ASSERT_EQ(::pread(kept_.get(), buffer, 3, 0), 3);
  const auto server = next_server(-1);
  ::kill(server, SIGKILL);
  publish(known_vm, 12'345'678);
  // What it began with the first server goes on with the second.
  EXPECT_EQ(::pread(kept_.get(), buffer, sizeof buffer, 3), 5);
  EXPECT_EQ(std::string_view(buffer, 5), "0000\n");
  EXPECT_EQ(pread_whole(kept_.get(), buffer).value(), "12345678\n");
  EXPECT_NE(next_server(server), server);
}

}  // namespace
}  // namespace vpowercap
