// SPDX-License-Identifier: Apache-2.0
// For tests: runs the hook as libvirt does, with whatever is wrong around it.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "common/share/share.hpp"
#include "common/wire/frame.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {

/// What libvirt calls a hook for, and what it may come to.
inline constexpr std::array<const char*, 11> phases{"prepare", "start",   "started", "stopped",
                                                    "release", "migrate", "restore", "reconnect",
                                                    "attach",  "",        "no such phase"};

inline constexpr const char* uuid_text = "c7a5fdbd-edaf-9455-926a-d65c16db1809";

/// A domain XML with that many bytes of description.
std::string domain(std::size_t padding = 0);

/// What is unusual about the process that is the hook.
struct Surroundings {
  std::set<int> closed{};                ///< of the descriptors 0, 1 and 2
  const char* output = nullptr;          ///< a file instead of a pipe as standard output and error
  uid_t user = 0;                        ///< other than ours, where we may choose
  std::optional<unsigned> processes{};   ///< the most that `user` may have
  std::chrono::milliseconds stopped{0};  ///< how long it is kept from running before it gets its input
  std::chrono::milliseconds late{0};     ///< how long it runs before it gets its input
  bool endless = false;                  ///< its input stays open behind what it gets
};

/// How one call went.
struct Outcome {
  int status = -1;
  std::string output;  ///< of standard output and error
  std::chrono::milliseconds took{0};
  std::chrono::milliseconds most{0};  ///< what it may take, on a busy machine, too
  bool left_child = false;            ///< a process of it was alive a second later
};

/// A run directory of its own, below a mount namespace of this program's own where that is allowed.
struct Hook : ::testing::Test {
  static bool own_namespace;
  testing::TempDir dir;
  RunPaths paths{dir.path("run")};
  std::vector<std::string> program{HOOK_PROGRAM, "--run-dir", paths.run_dir, "--"};
  UniqueFd listener;
  Surroundings around;

  static void SetUpTestSuite();
  Hook() { dir.make_directory("run"); }
  ~Hook() override;

  /// A socket where the daemon's would be.
  void listen(int backlog, int type = SOCK_SEQPACKET);
  /// Connects to it until its queue is full.
  std::vector<UniqueFd> fill_queue() const;
  /// The frame of the next connection that waits, if any.
  [[nodiscard]] Result<Frame> next_frame() const;
  /// Runs the program, writes `input` to it and waits for its end.
  Outcome run(const std::vector<std::string>& words, const std::string& input) const;
  /// A whole call that succeeds in silence and in time and leaves no child.
  void expect_harmless(const std::vector<std::string>& words, const std::string& input,
                       const std::string& what) const {
    check(run(words, input), what);
  }
  void expect_harmless_prepare(const std::string& what) const {
    expect_harmless({"web", "prepare", "begin", "-"}, domain(), what);
  }
  static void check(const Outcome& outcome, const std::string& what);
};

}  // namespace vpowercap
