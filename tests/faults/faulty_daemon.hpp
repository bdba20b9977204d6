// SPDX-License-Identifier: Apache-2.0
// The real daemon with an injector that lets its calls on files of /sys and /proc fail at random.
#pragma once

#include <random>

#include "tests/faults/random_faults.hpp"
#include "tests/kills/daemon_under_readers.hpp"

namespace vpowercap::testing {

/// Nothing goes wrong until page_ says so. VPOWERCAP_SEED sets what happens.
class FaultyDaemon : public DaemonUnderReaders {
 protected:
  void SetUp() override {
    DaemonUnderReaders::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    daemon_.end(Nanoseconds(0));
    page_path_ = dir_->path() + "/faults";
    page_ = map_fault_page(page_path_.c_str());
    ASSERT_NE(page_, nullptr) << page_path_;
    (host_->sysfs_root() + "/").copy(page_->sysfs_root.data(), page_->sysfs_root.size() - 1);
  }

  /// `wrapper`: words before the daemon's own command line.
  void start_faulty_daemon(std::vector<std::string> wrapper = {}) {
    page_->seed = random_();
    auto command = std::move(wrapper);
    for (auto& word : host_->command(VPOWERCAPD_WITH_FAULTS, paths_.run_dir))
      command.push_back(std::move(word));
    ::setenv(fault_page_variable, page_path_.c_str(), 1);
    const auto started = daemon_.start_program(command, {}, Nanoseconds(0));
    ::unsetenv(fault_page_variable);
    ASSERT_TRUE(started) << started.error().message;
  }
  [[nodiscard]] std::uint64_t faults() const {
    std::uint64_t all = 0;
    for (const auto& made : page_->made) all += made;
    return all;
  }

  std::mt19937_64 random_{setting("VPOWERCAP_SEED", 1)};
  std::string page_path_;
  FaultPage* page_ = nullptr;
};

}  // namespace vpowercap::testing
