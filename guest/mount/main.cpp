// SPDX-License-Identifier: Apache-2.0
// vpowercap-guest: brings the host's share to the place where agents look, and checks it.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/base/file.hpp"
#include "common/base/utf8.hpp"
#include "common/options/options.hpp"
#include "guest/mount/check.hpp"
#include "guest/mount/known_agents.hpp"
#include "guest/mount/private_view.hpp"
#include "guest/mount/share.hpp"

namespace vpowercap {
namespace {

using Json = nlohmann::ordered_json;

ProgramSpec program() {
  const GuestShare share;
  return {
      .name = "vpowercap-guest",
      .summary = "mount and check the power zones that the host shares with this virtual machine",
      .usage = "[OPTION]... mount|umount|check|run COMMAND [ARGUMENT]...",
      .description =
          "Mounts the virtiofs share that carries this virtual machine's power zones, read-only, where "
          "every agent looks for them. Mounting what is mounted already is a success, a mount whose "
          "device was detached is replaced, and a directory that this kernel lacks in /sys is made by "
          "an "
          "overlay.\n\n"
          "check looks at the tree as an agent would and prints one line for each thing that is well "
          "(ok) or not (problem); it exits with 1 when there is any problem. With --for it also says "
          "of "
          "each agent of that name whether it works with the share as it is, and how it is made to.\n\n"
          "run shows COMMAND, and it alone, the share at /sys/class/powercap and at "
          "/sys/devices/virtual/powercap, where some agents look: in a mount namespace of its own. As "
          "everything that mounts it needs root; setpriv(1) gives that up again.\n\n"
          "In /etc/fstab the same is: vpowercap /sys/class/powercap virtiofs "
          "ro,nosuid,nodev,noexec,nofail 0 0",
      .options =
          {{"tag", "TAG", share.tag, "Tag of the virtiofs device, as the host's operator named it."},
           {"target", "PATH", share.target, "Where to mount."},
           {"force", "", "",
            "mount: also over a tree that has zones of its own or over another mount; umount: also "
            "while files are open."},
           {"wait", "SECONDS", "3", "check: how long counters may stand still, 0.1 to 60."},
           {"for", "AGENT", "",
            "check: also what becomes of this agent, by a part of its name, such as node_exporter; "
            "all: of "
            "every one known."},
           {"any-filesystem", "", "", "check: do not ask for a virtiofs mount of the tag."},
           {"json", "", "", "Print one JSON object instead of lines."}},
      .commands = {{"mount", "mount the share"},
                   {"umount", "unmount the share"},
                   {"check", "look whether it is alive and say what is wrong"},
                   {"run", "run a command that sees the share wherever some agent looks"}},
      .exit_codes = {{"0", "success; check: no problem"},
                     {"1", "failure; check: a problem"},
                     {"2", "wrong usage"},
                     {"126, 127", "run: the command cannot be run, is not found; else its own code"}},
      .takes_arguments = true,
      .passes_on = "run",
  };
}

void print(const std::string& text) {
  if (const auto written = write_all(STDOUT_FILENO, text); !written)
    throw std::runtime_error("standard output: " + written.error().message);
}

void print(const Json& object) {
  print(object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

int finish(const Result<std::string>& result, bool as_json) {
  const std::string& sentence = result ? *result : result.error().message;
  if (as_json) print(Json{{"ok", result.has_value()}, {"message", sentence}});
  else if (result) print(sentence + "\n");
  else throw std::runtime_error(sentence);
  return result ? 0 : 1;
}

/// The agents named by --for. Throws UsageError where there is none.
std::vector<KnownAgent> agents_asked_for(const Options& options) {
  if (!options.given("for")) return {};
  const auto& word = options.text("for");
  auto found = find_agents(word == "all" ? "" : word);
  if (!found.empty() && !word.empty()) return found;
  std::string names;
  for (const auto& agent : known_agents()) {
    const std::string name(agent.name.substr(0, agent.name.find(',')));
    if (names.find(name) == std::string::npos) names += (names.empty() ? "" : ", ") + name;
  }
  throw UsageError{"--for: no agent \"" + printable(word) + "\" is known; known are " + names};
}

int check(const Options& options, const GuestShare& share) {
  const auto agents = agents_asked_for(options);
  CheckOptions checks;
  checks.share = share;
  checks.any_filesystem = options.flag("any-filesystem");
  checks.wait = Nanoseconds(static_cast<std::int64_t>(options.real("wait", 0.1, 60) * 1e9));
  const bool as_json = options.flag("json");
  bool all_ok = true;
  Json list = Json::array();
  const auto tell = [&](const Finding& finding) {
    all_ok = all_ok && finding.ok;
    if (as_json)
      list.push_back({{"ok", finding.ok}, {"subject", finding.subject}, {"message", finding.sentence}});
    else print((finding.ok ? "ok: " : "problem: ") + finding.sentence + "\n");
  };
  check_within(checks, checks.wait + std::chrono::seconds(10), tell,
               [&](const Report& report) { advise(agents, share, report); });
  if (as_json) print(Json{{"ok", all_ok}, {"findings", std::move(list)}});
  return all_ok ? 0 : 1;
}

/// Ends with the command's own code, or as env(1) where there is none.
int run(const GuestShare& share, const std::vector<std::string>& command) {
  if (command.empty()) throw UsageError{"run: give a command (see vpowercap-guest --help)"};
  if (const auto entered = enter_private_view(share); !entered)
    throw std::runtime_error(entered.error().message);
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  const int code = errno;
  std::fprintf(stderr, "vpowercap-guest: cannot run %s: %s\n", printable(command[0]).c_str(),
               std::strerror(code));
  return code == ENOENT ? 127 : 126;
}

/// As the mount table has it.
std::string without_last_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

int body(int argc, const char* const* argv) {
  const auto options = parse_options(program(), argc, argv);
  if (!options) return 0;
  const auto& words = options->arguments();
  if (words.empty() || (words.size() > 1 && words[0] != "run"))
    throw UsageError{"give one of mount, umount, check and run (see vpowercap-guest --help)"};
  const GuestShare share{options->text("tag"), without_last_slashes(options->text("target"))};
  // A virtiofs tag has 1 to 36 bytes (Virtual I/O Device specification 1.2, 5.11.4).
  if (share.tag.empty() || share.tag.size() > 36) throw UsageError{"--tag: a tag has 1 to 36 bytes"};
  if (!share.target.starts_with('/')) throw UsageError{"--target: give a path that begins with /"};
  if (words[0] == "mount")
    return finish(mount_share(share, options->flag("force")), options->flag("json"));
  if (words[0] == "umount")
    return finish(unmount_share(share, options->flag("force")), options->flag("json"));
  if (words[0] == "check") return check(*options, share);
  if (words[0] == "run") return run(share, {words.begin() + 1, words.end()});
  throw UsageError{"\"" + printable(words[0]) + "\" is no command; use mount, umount, check or run"};
}

}  // namespace
}  // namespace vpowercap

int main(int argc, char** argv) {
  return vpowercap::run_program("vpowercap-guest", vpowercap::body, argc, argv);
}
