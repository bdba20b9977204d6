// SPDX-License-Identifier: Apache-2.0
// vpowercap-mount and its server as a test runs them, in a mount namespace of its own.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>

#include "common/base/file.hpp"
#include "common/share/mount_table.hpp"
#include "common/share/share.hpp"
#include "fuse-fs/mount/child.hpp"
#include "tests/support/mount_sandbox.hpp"
#include "tests/support/test_vm.hpp"

namespace vpowercap::testing {

/// Waits for what must come about; a deadline far beyond what it takes.
inline bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 1500; ++i) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

constexpr auto energy_file = "intel-rapl:0/energy_uj";

/// The two programs on a ledger of the test's own.
class MountProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = enter_mount_sandbox(); !reason.empty()) GTEST_SKIP() << reason;
    if (!UniqueFd(::open("/dev/fuse", O_RDWR | O_CLOEXEC))) GTEST_SKIP() << "cannot open /dev/fuse";
    const char* program = std::getenv("VPOWERCAP_MOUNT");
    const char* server = std::getenv("VPOWERCAP_FS");
    if (program == nullptr || server == nullptr)
      GTEST_SKIP() << "VPOWERCAP_MOUNT and VPOWERCAP_FS do not name the programs (run by meson test)";
    dir_ = std::make_unique<MountedTempDir>();
    paths_.run_dir = dir_->path() + "/run";
    ASSERT_EQ(::mkdir(paths_.run_dir.c_str(), 0755), 0);
    command_ = {program,      "--run-dir",   paths_.run_dir, "--server", server,
                "--interval", "20",          "--hung-after", "1",        "--forget-after",
                "1",          "--log-level", "error"};
    auto opened = LedgerWriter::open({.path = paths_.ledger(), .group = "vpowercap"});
    ASSERT_TRUE(opened) << opened.error().message;
    writer_ = std::make_unique<LedgerWriter>(std::move(*opened));
    writer_->beat(SystemClock().now());
  }
  void TearDown() override { helper_.end(std::chrono::seconds(10)); }

  void forget_after(const char* seconds) {
    *(std::ranges::find(command_, "--forget-after") + 1) = seconds;
  }
  /// From the next start on, servers are run from a link; again: from now on another program.
  void install_server(const std::string& program) {
    const auto link = dir_->path() + "/vpowercap-fs";
    std::filesystem::create_symlink(program, link + ".new");
    std::filesystem::rename(link + ".new", link);
    *(std::ranges::find(command_, "--server") + 1) = link;
  }
  /// As a server, ends at once.
  [[nodiscard]] std::string server_that_exits_with(int code) const {
    const auto path = dir_->path() + "/exits";
    std::ofstream(path) << "#!/bin/sh\nexit " << code << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
  void start() {
    const auto started = helper_.start_program(command_, {}, Nanoseconds(0));
    ASSERT_TRUE(started) << started.error().message;
  }
  void kill_helper(int signal) {
    ASSERT_TRUE(helper_.running());
    ::kill(helper_.pid(), signal);
    ASSERT_TRUE(eventually([&] { return helper_.reap().has_value(); }));
  }
  void publish(const Uuid& uuid, std::uint64_t uj) {
    ASSERT_TRUE(writer_->store_vm(vm_record(uuid, uj)));
  }
  [[nodiscard]] std::string read(const Uuid& uuid, const std::string& below) const {
    const auto content = read_file_at(AT_FDCWD, paths_.source(uuid) + "/" + below);
    return content ? *content : "error " + std::to_string(content.error().code);
  }
  [[nodiscard]] bool reads(const Uuid& uuid, const std::string& content) const {
    return eventually([&] { return read(uuid, energy_file) == content; });
  }
  /// The helper's children; the server is the one that runs vpowercap-fs.
  [[nodiscard]] pid_t server_pid() const {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream stat(entry.path() / "stat");
      pid_t pid = 0;
      std::string name;
      std::string state;
      pid_t parent = 0;
      if (stat >> pid >> name >> state >> parent; parent == helper_.pid() && name == "(vpowercap-fs)")
        return pid;
    }
    return -1;
  }
  /// Ends the connection of RUN/fs as an administrator can. False where the kernel shows no
  /// connections.
  [[nodiscard]] bool abort_connection() const {
    const std::string connections = "/sys/fs/fuse/connections";
    const auto table = read_mount_table().value();
    if (find_mount(table, connections) == nullptr &&
        ::mount("fusectl", connections.c_str(), "fusectl", 0, nullptr) != 0)
      return false;
    const auto device = find_mount(table, paths_.fs())->device;
    std::ofstream abort(connections + "/" + device.substr(device.find(':') + 1) + "/abort");
    abort << "1" << std::flush;
    return abort.good();
  }
  [[nodiscard]] std::size_t fuse_mounts() const {
    const auto table = read_mount_table().value();
    return std::ranges::count_if(table, [&](const auto& entry) {
      return entry.type == "fuse.vpowercap" && entry.mount_point.starts_with(paths_.run_dir);
    });
  }

  std::unique_ptr<MountedTempDir> dir_;
  RunPaths paths_;
  std::vector<std::string> command_;
  std::unique_ptr<LedgerWriter> writer_;
  Child helper_;
};

}  // namespace vpowercap::testing
