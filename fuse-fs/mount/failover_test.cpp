// SPDX-License-Identifier: Apache-2.0
// Servers are killed at random instants, also while they start, under readers of every kind: none of
// them sees more than a pause. VPOWERCAP_KILLS sets how many, VPOWERCAP_SEED when.
#include <atomic>
#include <iostream>
#include <map>
#include <random>

#include "tests/support/guest_view.hpp"
#include "tests/support/mount_program.hpp"
#include "tests/support/tree_readers.hpp"

namespace vpowercap {
namespace {

using std::chrono::microseconds;
using testing::eventually;
using testing::known_vm;
using testing::TreeReaders;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

double milliseconds_of(Nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

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
    readers_ = std::make_unique<TreeReaders>(paths_.source(known_vm));
    ASSERT_GT(readers_->entries(), 10);
    device_ = device();
  }
  void TearDown() override {
    stop_ = true;
    if (publisher_.joinable()) publisher_.join();
    readers_.reset();
    kept_.reset();  // a close waits for the server
    MountProgram::TearDown();
  }

  void publish_on() {
    for (std::uint64_t value = 1'000'001; !stop_; value += 999) {
      ASSERT_TRUE(writer_->store_vm(testing::vm_record(known_vm, value)));
      writer_->beat(SystemClock().now());
      std::this_thread::sleep_for(microseconds(500));
    }
  }
  void start_readers() {
    publisher_ = std::jthread([this] { publish_on(); });
    readers_->start();
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
    const auto& seen = readers_->seen();
    std::cout << seen.reads << " reads: " << seen.errors << " errors, " << seen.cut_off << " cut off, "
              << seen.decreasing << " decreasing; worst read "
              << milliseconds_of(Nanoseconds(seen.worst_ns)) << " ms\n";
    EXPECT_EQ(seen.errors, 0u);
    EXPECT_EQ(seen.cut_off, 0u);
    EXPECT_EQ(seen.decreasing, 0u);
    EXPECT_GT(seen.reads, 100u);
    if (const auto longest = setting("VPOWERCAP_LONGEST_READ_MS", 0); longest > 0) {
      EXPECT_LE(Nanoseconds(seen.worst_ns), std::chrono::milliseconds(longest));
    }
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
  dev_t device_ = 0;
  std::atomic<bool> stop_ = false;
  std::jthread publisher_;
  std::unique_ptr<TreeReaders> readers_;
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
    time_of_a_read();  // each of them has answered
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
