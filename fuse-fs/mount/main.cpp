// SPDX-License-Identifier: Apache-2.0
// vpowercap-mount: the one privileged helper, mounting for the server and binding for the guests.
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "common/log/log.hpp"
#include "common/options/options.hpp"
#include "fuse-fs/journal/journal.hpp"
#include "fuse-fs/mount/keeper.hpp"

namespace {

using namespace vpowercap;

const ProgramSpec spec{
    .name = "vpowercap-mount",
    .summary = "mount the powercap trees and connect each virtual machine's share to its own",
    .usage = "[OPTION]...",
    .description =
        "Mounts a FUSE file system on RUN/fs, starts the unprivileged server for it, and keeps "
        "RUN/share/UUID ready for every VM of the ledger and for every VM whose directory a hook made: "
        "a plain read-only directory with the VM's tree bound on intel-rapl.\n\n"
        "A server that dies or hangs is followed by another on the same mount: readers see a pause, "
        "and "
        "what they have open goes on. A mount or bind that is lost is made anew; guests that are "
        "running "
        "find it in the same place.\n\n"
        "Needs CAP_SYS_ADMIN in the host's own mount namespace. SIGTERM unmounts everything but the "
        "plain directories; as a service of systemd it leaves the mount to its successor, for whom "
        "systemd "
        "keeps what it needs, and --unmount is for the end.",
    .options =
        {
            {"run-dir", "DIR", "/run/vpowercap", "Directory of ledger, mount and shares.", false},
            {"server", "PATH", VPOWERCAP_LIBEXEC "/vpowercap-fs", "The server's program.", false},
            {"user", "NAME", "nobody", "User that the server becomes.", false},
            {"group", "NAME", "vpowercap", "Group that the server becomes, where it exists.", false},
            {"threads", "N", "2",
             "Requests that the server answers at a time, 1 to 64. A mount that is gone on with keeps "
             "its number.",
             false},
            {"interval", "MS", "500", "Time between two looks at what is missing, 10 to 60000 ms.",
             false},
            {"hung-after", "SECONDS", "10",
             "A server that has answered nothing for so long, or not a request that it has in hand, is "
             "replaced, 1 to 600 s.",
             false},
            {"longest-delay", "MS", "5000",
             "Longest wait before a server that keeps ending is started again, 0 to 60000 ms. The "
             "first "
             "time is at once.",
             false},
            {"forget-after", "SECONDS", "60",
             "A VM's directory is removed when the ledger has not known the VM for so long and no "
             "process "
             "has its UUID in its arguments, 1 to 86400.",
             false},
            {"unmount", "", "", "Take away what one left that ended, and exit.", false},
            {"foreground", "", "", "Stay in the foreground, as always.", false},
            {"log-level", "LEVEL", "info", "error, warning, info or debug.", false},
        },
};

UniqueFd open_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) ::sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) throw std::runtime_error("cannot receive signals");
  return fd;
}

/// Takes all pending signals; true when one of them asks to leave.
bool take_signals(int fd) {
  bool leave = false;
  signalfd_siginfo info{};
  while (::read(fd, &info, sizeof info) == sizeof info)
    leave = leave || info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
  return leave;
}

KeeperOptions keeper_options(const Options& options, const RunPaths& paths) {
  return {
      .paths = paths,
      .server_command = {options.text("server"), "--ledger", paths.ledger(), "--user",
                         options.text("user"), "--group", options.text("group"), "--log-level",
                         options.text("log-level")},
      .threads = static_cast<unsigned>(options.number("threads", 1, Journal::most_slots)),
      .hung_after = std::chrono::seconds(options.number("hung-after", 1, 600)),
      .longest_back_off = std::chrono::milliseconds(options.number("longest-delay", 0, 60000)),
      .forget_after = std::chrono::seconds(options.number("forget-after", 1, 86400)),
  };
}

/// What libvirt needs, the plain directories, is there from the start; it must not wait longer than
/// this for the trees in them, whatever is wrong with those.
constexpr Nanoseconds longest_start = std::chrono::seconds(3);

/// systemd takes one that says nothing for longer than its unit's WatchdogSec= for hung. Not more often
/// than needed: who sends to a systemd that does not read waits for it in the end.
class Watchdog {
 public:
  static constexpr std::chrono::milliseconds period = std::chrono::seconds(1);
  void pat(Nanoseconds now) {
    if (!watches_ || now < next_) return;
    ::sd_notify(0, "WATCHDOG=1");
    next_ = now + period;
  }

 private:
  const bool watches_ = ::sd_watchdog_enabled(0, nullptr) > 0;
  Nanoseconds next_{0};
};

void run(Keeper& keeper, int signals, std::chrono::milliseconds interval) {
  const SystemClock clock;
  Watchdog watchdog;
  auto next = clock.now();
  const auto ready_at_latest = next + longest_start;
  for (bool ready = false;;) {
    pollfd waiting{signals, POLLIN, 0};
    auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock.now());
    if (!keeper.serving()) left = std::min(left, std::chrono::milliseconds(20));
    left = std::clamp(left, std::chrono::milliseconds(0), Watchdog::period);
    ::poll(&waiting, 1, static_cast<int>(left.count()));
    watchdog.pat(clock.now());
    if (take_signals(signals)) return;
    keeper.look_after_children();
    if (keeper.is_outdated())
      throw std::runtime_error(
          "the server is of another release and refuses this one's journal: ending, for the "
          "vpowercap-mount that belongs to it to go on");
    if (clock.now() < next && !keeper.step_due()) continue;
    keeper.step();
    next = clock.now() + interval;
    if (!ready && (keeper.settled() || clock.now() >= ready_at_latest)) {
      ready = true;
      ::sd_notify(0, "READY=1");
    }
  }
}

/// Two keepers would unmount each other's mounts. Gone with the process.
UniqueFd lock_keeper(const RunPaths& paths) {
  const auto path = paths.run_dir + "/mount.lock";
  UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) throw std::system_error(errno, std::generic_category(), path);
  // A killed predecessor's child may hold it a moment longer.
  for (int tries = 0; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (tries == 100) throw std::runtime_error("another vpowercap-mount works on " + paths.run_dir);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return lock;
}

int body(int argc, const char* const* argv) {
  const auto options = parse_options(spec, argc, argv);
  if (!options) return 0;
  log::start(spec.name, options->text("log-level"));
  const auto interval = std::chrono::milliseconds(options->number("interval", 10, 60000));
  RunPaths paths{options->text("run-dir")};
  if (const auto prepared = prepare_share_base(paths); !prepared)
    throw std::runtime_error(prepared.error().message);
  paths.run_dir = std::filesystem::canonical(paths.run_dir);

  const auto lock = lock_keeper(paths);
  if (options->flag("unmount")) {
    if (const auto done = unmount_all(paths); !done) throw std::runtime_error(done.error().message);
    return 0;
  }
  const auto signals = open_signals();
  const SystemClock clock;
  Keeper keeper(keeper_options(*options, paths), clock);
  if (const auto started = keeper.start(); !started) throw std::runtime_error(started.error().message);
  run(keeper, signals.get(), interval);
  ::sd_notify(0, "STOPPING=1");
  keeper.stop();
  log::info("left; the shares' directories stay for running guests");
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return vpowercap::run_program("vpowercap-mount", body, argc, argv); }
