// SPDX-License-Identifier: Apache-2.0
// vpowercap-fs: serves the powercap trees of all VMs on a FUSE mount made by vpowercap-mount.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "common/log/log.hpp"
#include "common/options/options.hpp"
#include "fuse-fs/session/privileges.hpp"
#include "fuse-fs/session/serve.hpp"
#include "fuse-fs/session/system_calls.hpp"

namespace {

using namespace vpowercap;

const ProgramSpec spec{
    .name = "vpowercap-fs",
    .summary = "serve the powercap trees of virtual machines from the ledger",
    .usage = "--fuse-fd N [OPTION]...",
    .description =
        "Answers the requests of a FUSE mount whose descriptor it inherits, without any privilege: "
        "/UUID/intel-rapl holds what the ledger publishes for that VM. Started by vpowercap-mount.\n\n"
        "Reads of energy_uj fail with ENODATA while vpowercapd has been silent for longer than its "
        "stale-after. It may be killed at any time: a successor with the same two descriptors answers "
        "what it left, and readers see a pause. It exits with 3 when the memory to take over has another "
        "release's layout.",
    .options =
        {
            {"fuse-fd", "N", "", "Inherited descriptor of /dev/fuse, mounted already (required).",
             false},
            {"journal-fd", "N", "",
             "Inherited descriptor of the memory that a successor takes over; without it none can.",
             false},
            {"ledger", "PATH", "/run/vpowercap/ledger", "The ledger; it may appear later.", false},
            {"user", "NAME", "nobody", "User to become after the start, when started as root.", false},
            {"group", "NAME", "vpowercap",
             "Group to become, the one that can read the ledger. Where it does not exist: the ledger's "
             "own.",
             false},
            {"threads", "N", "2",
             "Requests answered at a time, 1 to 64; as many as the journal has room for, with one.",
             false},
            {"suspect-requests", "", "",
             "The server before ended by itself: give up on a request that several did so on.", false},
            {"parent", "PID", "", "End when this process, the parent, ends.", false},
            {"log-level", "LEVEL", "info", "error, warning, info or debug.", false},
        },
};

/// Stateless: there is nothing to finish, and a request that is cut off can be answered by a successor.
void leave(int) { ::_exit(0); }

UniqueFd inherited(const Options& options, const std::string& name) {
  const auto fd = static_cast<int>(options.number(name, 0, 1 << 20));
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    throw UsageError{"--" + name + ": there is no open descriptor " + std::to_string(fd)};
  return UniqueFd(fd);
}

Result<Journal> open_journal(const Options& options) {
  const auto threads = static_cast<unsigned>(options.number("threads", 1, Journal::most_slots));
  const Result<UniqueFd> fd =
      options.given("journal-fd") ? inherited(options, "journal-fd") : Journal::create(threads);
  return fd.and_then([](const UniqueFd& open) { return Journal::open(open.get()); });
}

int body(int argc, const char* const* argv) {
  const auto options = parse_options(spec, argc, argv);
  if (!options) return 0;
  if (!options->given("fuse-fd")) throw UsageError{"--fuse-fd is required"};
  auto fuse = inherited(*options, "fuse-fd");
  log::start(spec.name, options->text("log-level"));
  const auto journal = open_journal(*options);
  if (!journal) {
    log::error("--journal-fd: " + journal.error().message);
    return journal.error().code == EPROTO ? exit_journal_refused : 1;
  }
  const auto& path = options->text("ledger");
  drop_privileges(options->text("user"), options->text("group"), path);
  if (options->given("parent"))
    end_with_parent(static_cast<int>(options->number("parent", 1, 1 << 30)));
  for (const int signal : {SIGTERM, SIGINT}) std::signal(signal, leave);
  for (const int signal : {SIGHUP, SIGPIPE}) std::signal(signal, SIG_IGN);

  if constexpr (restricts_system_calls) restrict_system_calls();

  const SystemClock clock;
  LedgerSource ledger(path, clock, [](std::string_view trouble) {
    if (trouble.empty()) log::info("reading the ledger");
    else log::warning(std::string(trouble) + "; looking again every second");
  });
  const Filesystem filesystem(ledger);
  if (const auto served =
          serve(std::move(fuse), *journal, filesystem, options->flag("suspect-requests"));
      !served) {
    log::error(served.error().message);
    return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return vpowercap::run_program("vpowercap-fs", body, argc, argv); }
