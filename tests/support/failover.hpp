// SPDX-License-Identifier: Apache-2.0
// Servers that a test kills or stops, under readers of every kind on the host.
#pragma once

#include <atomic>
#include <iostream>

#include "tests/support/mount_program.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/setting.hpp"
#include "tests/support/tree_readers.hpp"

namespace vpowercap::testing {

inline double milliseconds_of(Nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }

/// One VM, whose counter goes up all the time once the readers are started. Nothing waits for ever:
/// where for half a minute no server is started and no read ended, the connection is aborted, and the
/// test fails.
class Failover : public MountProgram {
 protected:
  void SetUp() override {
    MountProgram::SetUp();
    if (IsSkipped()) return;
    patience_ = std::make_unique<Patience>(std::chrono::seconds(30), [this] { give_up(); });
    own_ = std::getenv("VPOWERCAP_FS");
    install(own_);
    std::ranges::replace(command_, own_, dir_->path() + "/vpowercap-fs");
    choose_settings();
    publish(known_vm, first_value);
    start();
    ASSERT_TRUE(reads(known_vm, std::to_string(first_value) + "\n"));
    zone_ = paths_.source(known_vm) + "/intel-rapl/intel-rapl:0";
    kept_.reset(::open((zone_ + "/energy_uj").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(kept_);
    readers_ = std::make_unique<TreeReaders>(paths_.source(known_vm));
    ASSERT_GT(readers_->entries(), 10);
    readers_->know([](std::uint64_t value) { return (value - first_value) % step == 0; });
    device_ = device();
    ASSERT_NE(device_, "");
  }
  void TearDown() override {
    stop_ = true;
    if (publisher_.joinable()) publisher_.join();
    readers_.reset();
    kept_.reset();  // a close waits for the server
    MountProgram::TearDown();
    patience_.reset();
  }
  virtual void choose_settings() { command_.insert(command_.end(), {"--longest-delay", "0"}); }

  void start_publisher() {
    publisher_ = std::jthread([this] {
      for (std::uint64_t value = first_value + step; !stop_; value += step) {
        ASSERT_TRUE(writer_->store_vm(vm_record(known_vm, value)));
        writer_->beat(SystemClock().now());
        std::this_thread::sleep_for(std::chrono::microseconds(500));
      }
    });
  }
  void start_readers() {
    start_publisher();
    readers_->start();
  }

  /// From now on, servers are started from this program.
  void install(const std::string& program) const {
    const auto link = dir_->path() + "/vpowercap-fs";
    std::filesystem::create_symlink(program, link + ".new");
    std::filesystem::rename(link + ".new", link);
  }
  [[nodiscard]] static std::string program_of(pid_t server) {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/" + std::to_string(server) + "/exe", error);
  }

  /// The server now, waiting for one other than `before`; -1 when none comes.
  pid_t next_server(pid_t before) {
    const auto path = "/proc/" + std::to_string(helper_.pid()) + "/task/" +
                      std::to_string(helper_.pid()) + "/children";
    while (!patience_->is_over()) {
      std::ifstream children(path);
      for (pid_t child = 0; children >> child;) {
        const auto name = read_file_at(AT_FDCWD, "/proc/" + std::to_string(child) + "/comm");
        if (child == before || !name || *name != "vpowercap-fs\n") continue;
        patience_->progress();
        return child;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return -1;
  }
  /// How long a read takes that is begun right now.
  Nanoseconds time_of_a_read() {
    const auto begin = SystemClock().now();
    char buffer[64];
    EXPECT_TRUE(pread_whole(kept_.get(), buffer));
    patience_->progress();
    return SystemClock().now() - begin;
  }

  /// Waits until each reader has ended a read that it began after now; those who do not wait for ever.
  void expect_each_reads_again() {
    const auto before = readers_->progress();
    const bool all = eventually([&] { return readers_->behind(before, 2).empty(); });
    patience_->progress();
    if (all) return;
    ADD_FAILURE() << "these wait for ever: " << readers_->behind(before, 2);
    abort_connection();
  }
  /// Stops the readers: only then is all known that they saw. `least` reads are wanted of each, none
  /// longer than `longest_ms`, unless that is 0.
  void expect_nothing_seen(std::uint64_t least, std::uint64_t longest_ms = 0) {
    expect_each_reads_again();
    readers_->stop();
    const auto& seen = readers_->seen();
    std::cout << seen.reads << " reads, " << std::ranges::min(readers_->progress())
              << " at least by each of 6 readers: " << seen.errors << " errors, " << seen.cut_off
              << " cut off, " << seen.decreasing << " decreasing, " << seen.made_up
              << " never published; worst read " << milliseconds_of(Nanoseconds(seen.worst_ns))
              << " ms\n";
    EXPECT_EQ(seen.errors, 0u);
    EXPECT_EQ(seen.cut_off, 0u);
    EXPECT_EQ(seen.decreasing, 0u);
    EXPECT_EQ(seen.made_up, 0u);
    EXPECT_EQ(readers_->behind({}, least), "") << "fewer reads than " << least;
    if (longest_ms > 0) {
      EXPECT_LE(Nanoseconds(seen.worst_ns), std::chrono::milliseconds(longest_ms));
    }
    EXPECT_EQ(device(), device_) << "it was mounted anew";
  }

  /// "major:minor" of the mount, without asking its server.
  [[nodiscard]] std::string device() const {
    const auto table = read_mount_table();
    const auto* const root = table ? find_mount(*table, paths_.fs()) : nullptr;
    return root == nullptr ? "" : root->device;
  }
  /// Whoever waits for an answer gets an error (umount_begin of the kernel's fs/fuse/inode.c).
  void abort_connection() const { ::umount2(paths_.fs().c_str(), MNT_FORCE | MNT_DETACH); }
  void give_up() {
    ADD_FAILURE() << "no server was started and no read ended for half a minute";
    abort_connection();
  }

  static constexpr std::uint64_t first_value = 1'000'000;
  static constexpr std::uint64_t step = 999;
  std::string own_;  ///< the server of this build
  std::string zone_;
  UniqueFd kept_;
  std::string device_;
  std::atomic<bool> stop_ = false;
  std::jthread publisher_;
  std::unique_ptr<TreeReaders> readers_;
  std::unique_ptr<Patience> patience_;
};

}  // namespace vpowercap::testing
