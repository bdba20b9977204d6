// SPDX-License-Identifier: Apache-2.0
// vpowercap-guest: brings the host's share to the place where agents look, and checks it.
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/base/file.hpp"
#include "common/base/utf8.hpp"
#include "common/options/options.hpp"
#include "guest/mount/check.hpp"
#include "guest/mount/share.hpp"

namespace vpowercap {
namespace {

using Json = nlohmann::ordered_json;

ProgramSpec program() {
  const GuestShare share;
  return {
      .name = "vpowercap-guest",
      .summary = "mount and check the power zones that the host shares with this virtual machine",
      .usage = "[OPTION]... mount|umount|check",
      .description =
          "Mounts the virtiofs share that carries this virtual machine's power zones, read-only, where "
          "every agent looks for them. Mounting what is mounted already is a success.\n\n"
          "check looks at the tree as an agent would and prints one line for each thing that is well "
          "(ok) or not (problem); it exits with 1 when there is any problem.\n\n"
          "In /etc/fstab the same is: vpowercap /sys/class/powercap virtiofs "
          "ro,nosuid,nodev,noexec,nofail 0 0",
      .options =
          {{"tag", "TAG", share.tag, "Tag of the virtiofs device, as the host's operator named it."},
           {"target", "PATH", share.target, "Where to mount."},
           {"force", "", "",
            "mount: also over a tree that has zones of its own or over another mount; umount: also "
            "while files are open."},
           {"wait", "SECONDS", "3", "check: how long counters may stand still, 0.1 to 60."},
           {"any-filesystem", "", "", "check: do not ask for a virtiofs mount of the tag."},
           {"json", "", "", "Print one JSON object instead of lines."}},
      .commands = {{"mount", "mount the share"},
                   {"umount", "unmount the share"},
                   {"check", "look whether it is alive and say what is wrong"}},
      .exit_codes = {{"0", "success; check: no problem"},
                     {"1", "failure; check: a problem"},
                     {"2", "wrong usage"}},
      .takes_arguments = true,
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

int check(const Options& options, const GuestShare& share) {
  CheckOptions checks;
  checks.share = share;
  checks.any_filesystem = options.flag("any-filesystem");
  checks.wait = Nanoseconds(static_cast<std::int64_t>(options.real("wait", 0.1, 60) * 1e9));
  const bool as_json = options.flag("json");
  bool all_ok = true;
  Json list = Json::array();
  check_within(checks, checks.wait + std::chrono::seconds(10), [&](const Finding& finding) {
    all_ok = all_ok && finding.ok;
    if (as_json)
      list.push_back({{"ok", finding.ok}, {"subject", finding.subject}, {"message", finding.sentence}});
    else print((finding.ok ? "ok: " : "problem: ") + finding.sentence + "\n");
  });
  if (as_json) print(Json{{"ok", all_ok}, {"findings", std::move(list)}});
  return all_ok ? 0 : 1;
}

int body(int argc, const char* const* argv) {
  const auto options = parse_options(program(), argc, argv);
  if (!options) return 0;
  const auto& words = options->arguments();
  if (words.size() != 1)
    throw UsageError{"give one of mount, umount and check (see vpowercap-guest --help)"};
  const GuestShare share{options->text("tag"), options->text("target")};
  // A virtiofs tag has 1 to 36 bytes (Virtual I/O Device specification 1.2, 5.11.4).
  if (share.tag.empty() || share.tag.size() > 36) throw UsageError{"--tag: a tag has 1 to 36 bytes"};
  if (share.target.empty()) throw UsageError{"--target: the path is empty"};
  if (words[0] == "mount")
    return finish(mount_share(share, options->flag("force")), options->flag("json"));
  if (words[0] == "umount")
    return finish(unmount_share(share, options->flag("force")), options->flag("json"));
  if (words[0] == "check") return check(*options, share);
  throw UsageError{"\"" + printable(words[0]) + "\" is no command; use mount, umount or check"};
}

}  // namespace
}  // namespace vpowercap

int main(int argc, char** argv) {
  return vpowercap::run_program("vpowercap-guest", vpowercap::body, argc, argv);
}
