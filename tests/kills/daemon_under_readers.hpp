// SPDX-License-Identifier: Apache-2.0
// The real daemon on a host of its own, with readers of its ledger and of the mounted tree.
#pragma once

#include <atomic>
#include <cstring>
#include <iostream>

#include "common/ledger/reader.hpp"
#include "tests/kills/daemon_host.hpp"
#include "tests/kills/ledger_laws.hpp"
#include "tests/support/mount_program.hpp"
#include "tests/support/setting.hpp"
#include "tests/support/tree_readers.hpp"

namespace vpowercap::testing {

inline Uuid uuid_of(std::uint64_t number) {
  Uuid uuid = known_vm;
  std::memcpy(uuid.bytes.data(), &number, sizeof number);
  return uuid;
}

/// One VM, the daemon and the mount of its tree. The daemon lives when a test begins; energy does not
/// move.
class DaemonUnderReaders : public MountProgram {
 protected:
  void SetUp() override {
    MountProgram::SetUp();
    if (IsSkipped()) return;
    writer_.reset();  // the daemon makes its own ledger
    ::unlink(paths_.ledger().c_str());
    host_ = std::make_unique<DaemonHost>(dir_->path() + "/host", VPOWERCAP_FAKE_QEMU);
    host_->start_vm(vm_);
    start_daemon(VPOWERCAPD);
    ASSERT_TRUE(eventually([&] { return ticks() > 1 && find(vm_); })) << "the daemon shows no VM";
    start();
    ASSERT_TRUE(eventually([&] { return read(vm_, energy_file).ends_with('\n'); }))
        << read(vm_, energy_file);
    tree_readers_ = std::make_unique<TreeReaders>(paths_.source(vm_), std::chrono::milliseconds(1));
    ASSERT_GT(tree_readers_->entries(), 10);
  }
  void TearDown() override {
    stop_ = true;
    ledger_readers_.clear();
    tree_readers_.reset();
    daemon_.end(Nanoseconds(0));
    MountProgram::TearDown();
    host_.reset();
  }

  void start_daemon(const char* program) {
    auto command = host_->command(program, paths_.run_dir);
    command.insert(command.end(), options_.begin(), options_.end());
    const auto started = daemon_.start_program(command, {}, Nanoseconds(0));
    ASSERT_TRUE(started) << started.error().message;
  }

  [[nodiscard]] std::uint64_t ticks() const {
    const auto ledger = LedgerReader::open(paths_.ledger());
    const auto host = ledger ? ledger->host() : std::nullopt;
    return host ? host->tick : 0;
  }
  [[nodiscard]] bool find(const Uuid& uuid) const {
    const auto ledger = LedgerReader::open(paths_.ledger());
    return ledger && ledger->find(uuid);
  }

  /// One keeps its mapping, the other opens the ledger each time.
  void read_ledger(LedgerLaws& laws, bool keeps) {
    auto ledger = LedgerReader::open(paths_.ledger());
    while (!stop_) {
      if (!keeps) ledger = LedgerReader::open(paths_.ledger());
      if (ledger) laws.look(*ledger);
      else ++open_errors_;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  void start_readers() {
    tree_readers_->start();
    ledger_readers_.emplace_back([this] { read_ledger(kept_, true); });
    ledger_readers_.emplace_back([this] { read_ledger(fresh_, false); });
  }
  void stop_readers() {
    stop_ = true;
    ledger_readers_.clear();
    tree_readers_->stop();
  }

  void expect_nothing_seen() {
    const auto& tree = tree_readers_->seen();
    const auto looks = kept_.looks() + fresh_.looks();
    const auto errors = kept_.errors() + fresh_.errors() + open_errors_;
    const auto decreasing = kept_.decreasing() + fresh_.decreasing();
    const auto unbalanced = kept_.unbalanced() + fresh_.unbalanced();
    std::cout << looks << " reads of the ledger: " << errors << " errors, " << decreasing
              << " decreasing, " << unbalanced << " unbalanced\n"
              << tree.reads << " reads of the tree: " << tree.errors << " errors, " << tree.cut_off
              << " cut off, " << tree.decreasing << " decreasing\n";
    EXPECT_EQ(errors + decreasing + unbalanced, 0u);
    EXPECT_EQ(tree.errors + tree.cut_off + tree.decreasing, 0u);
    EXPECT_GT(looks, 100u);
    EXPECT_GT(tree.reads, 100u);
  }

  /// Not known_vm: a process that names a VM keeps its share, also in a test that runs beside this one.
  const Uuid vm_ = uuid_of(~std::uint64_t{0});
  std::unique_ptr<DaemonHost> host_;
  std::vector<std::string> options_;  ///< more of the daemon's
  Child daemon_;
  std::unique_ptr<TreeReaders> tree_readers_;
  std::atomic<bool> stop_ = false;
  LedgerLaws kept_, fresh_;
  std::atomic<std::uint64_t> open_errors_ = 0;
  std::vector<std::jthread> ledger_readers_;
};

}  // namespace vpowercap::testing
