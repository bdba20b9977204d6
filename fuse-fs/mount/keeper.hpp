// SPDX-License-Identifier: Apache-2.0
// Keeps the FUSE mount served and each VM's share connected to it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/ledger/ledger_source.hpp"
#include "common/log/log.hpp"
#include "common/share/share.hpp"
#include "fuse-fs/mount/binder.hpp"
#include "fuse-fs/mount/child.hpp"
#include "fuse-fs/mount/fuse_mount.hpp"
#include "fuse-fs/mount/plan.hpp"
#include "fuse-fs/mount/slot_watch.hpp"

namespace vpowercap {

struct KeeperOptions {
  RunPaths paths;                           ///< run directory without symbolic links
  std::vector<std::string> server_command;  ///< without --fuse-fd and --journal-fd
  unsigned threads = 2;                     ///< requests that a server answers at a time
  /// A server that has answered nothing for this long, neither a bind nor the question asked five times
  /// in it, is hung and replaced: its readers could not even be killed. So is one with a thread that
  /// has had the same request in hand for this long.
  Nanoseconds hung_after{std::chrono::seconds(10)};
  /// The longest wait before a server that keeps ending is started again.
  Nanoseconds longest_back_off{std::chrono::seconds(5)};
  /// A VM's directory goes when the ledger has not known the VM for this long and no process names it.
  Nanoseconds forget_after{std::chrono::minutes(1)};
};

/// Level-triggered: each step compares what is with what should be, so it does not matter what was
/// missed. A server that ends or hangs is followed by another on the same mount, and readers see a
/// pause; a mount that is lost is made anew in the same place. Everything that may send a request to
/// the server happens in a child process: a hung server cannot hold up the keeper. Logs what it does.
/// Not thread-safe.
class Keeper {
 public:
  Keeper(KeeperOptions options, const Clock& clock);
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  /// Goes on with a predecessor's mount where systemd kept its descriptors, else takes away what one
  /// left. Errors: those of unmounting.
  Result<void> start();
  /// Looks after the children, then does what is missing. Never blocks for long.
  void step();
  /// Looks after the children alone: to be called when one may have ended.
  void look_after_children();
  /// True when there is something to do that does not wait for the next interval: to start a server
  /// that is not there and may be, to go on binding.
  [[nodiscard]] bool step_due() const;
  /// True when the server refuses the journal though one has answered before: its program has been
  /// replaced by another release's, whose keeper has to go on.
  [[nodiscard]] bool is_outdated() const { return is_outdated_; }
  [[nodiscard]] bool serving() const { return server_.running(); }
  /// True when the server runs and every VM's tree was bound at the last step.
  [[nodiscard]] bool settled() const { return settled_; }
  /// Ends the server, and unmounts unless systemd keeps the mount's descriptors for a successor. The
  /// share and its plain directories stay for running guests.
  void stop();

 private:
  enum class Loss { ended, killed, hung };

  bool take_over();
  void start_server();
  bool provide_mount();
  void lose_server(const std::string& why, Loss loss);
  void lose_mount(const std::string& why);
  void release_mount();
  [[nodiscard]] bool is_hung();
  void lose_hung_server();
  void reconcile();
  void connect(const std::vector<VmRecord>& vms, const std::vector<Uuid>& known);
  [[nodiscard]] bool start_due() const;
  void start_binding(std::vector<Uuid> uuids);
  void forget_dropped(const std::vector<Uuid>& known, const std::vector<Uuid>& directories);
  void remove_unused(const std::vector<Uuid>& dropped);
  void complain(const std::string& message);

  const KeeperOptions options_;
  const Clock& clock_;
  LedgerSource ledger_;
  FuseMount mount_;
  std::optional<Journal> journal_;  ///< that of the mount
  SlotWatch slots_;
  Child server_;
  Binder binder_;
  Uuid last_bound_;  ///< binding goes on behind it
  bool more_to_bind_ = false;
  bool settled_ = false;
  Nanoseconds next_start_{0};
  Nanoseconds next_question_{0};
  Nanoseconds back_off_{0};
  unsigned hung_in_a_row_ = 0;
  unsigned ended_in_a_row_ = 0;  ///< by themselves, without an answer in between
  bool has_answered_ = false;    ///< a server of this keeper
  bool is_outdated_ = false;
  bool suspects_requests_ = false;          ///< nobody but a request may have ended the last server
  std::map<Uuid, Nanoseconds> last_known_;  ///< VMs in the ledger; others, since first seen
  log::Limiter limiter_;
};

}  // namespace vpowercap
