// SPDX-License-Identifier: Apache-2.0
// Dispatch of the sub-commands.
#include "host/ctl/command.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <system_error>

#include "common/base/utf8.hpp"
#include "common/share/share.hpp"
#include "host/ctl/doctor.hpp"
#include "host/ctl/json.hpp"
#include "host/ctl/state.hpp"
#include "host/ctl/table.hpp"
#include "host/ctl/top.hpp"

namespace vpowercap {
namespace {

const ProgramSpec spec{
    .name = "vpowercap",
    .summary = "show the energy of virtual machines and wire them",
    .usage = "[OPTION]... COMMAND [VM]",
    .description =
        "vpowercap reads the ledger that vpowercapd writes, so it needs no daemon to answer, and never "
        "slows "
        "one down. VM is a UUID or, where it is unique, a name.\n\n"
        "Power is the mean over the last tick; energy is cumulative since the VM's first tick. With "
        "method "
        "\"model\" all figures are estimates from CPU use, with \"rapl\" they are the processor's own.",
    .options = {{"run-dir", "DIR", "/run/vpowercap", "The daemon's run directory.", false},
                {"json", "", "", "Print JSON.", false},
                {"host", "", "", "show: the host and its zones instead of a VM.", false},
                {"once", "", "", "top: print one table and exit.", false},
                {"interval", "SECONDS", "1", "top: time between two looks, 0.1 to 60.", false},
                {"wirer", "PATH", VPOWERCAP_WIRER,
                 "wire, unwire: the program that changes definitions.", false},
                {"connect", "URI", "qemu:///system", "wire, unwire: connection to libvirt.", false},
                {"dry-run", "", "", "wire, unwire: print the new definition, change nothing.", false},
                {"yes", "", "", "wire, unwire: do not ask.", false}},
    .commands = {{"list", "All VMs with their power and energy, and the host's."},
                 {"show VM", "Everything on one VM."},
                 {"show --host", "Everything on the host: zones, idle power, gaps, ticks."},
                 {"top", "Live view, the hungriest VM first."},
                 {"wire VM",
                  "Add the share to the VM's persistent definition (from its next cold boot on)."},
                 {"unwire VM", "Take the share out of it again."},
                 {"state export VM",
                  "Print what the VM's guest was shown, for another host that it goes on on."},
                 {"state import UUID",
                  "Let the VM's counters go on from such a state on standard input (root). No counter "
                  "goes back."},
                 {"doctor",
                  "Look whether energy reaches the guests and say what is wrong; exits with 1 when "
                  "anything is."}},
    .section = 1,
};

LedgerView open_view(const Options& options) {
  const RunPaths paths{options.text("run-dir")};
  const auto reader = LedgerReader::open(paths.ledger());
  if (!reader) throw std::runtime_error(reader.error().message);
  auto view = look(*reader, SystemClock().now());
  if (!view) throw std::runtime_error(view.error().message);
  return std::move(*view);
}

int print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0
             ? 0
             : 1;
}

int show(const Options& options, const std::string& wanted) {
  const auto view = open_view(options);
  const auto vm = find_vm(view, wanted);
  if (!vm) throw std::runtime_error(vm.error().message);
  return print(options.flag("json") ? to_json(view, *vm) : vm_page(view, *vm));
}

int show_host(const Options& options) {
  const auto view = open_view(options);
  return print(options.flag("json") ? host_json(view) : host_page(view));
}

int list(const Options& options, bool by_power) {
  const auto view = open_view(options);
  return print(options.flag("json") ? to_json(view) : list_table(view, by_power));
}

int top(const Options& options) {
  if (options.flag("once") || options.flag("json")) return list(options, true);
  const Nanoseconds interval(std::llround(options.real("interval", 0.1, 60) * 1e9));
  const auto result = run_top(RunPaths{options.text("run-dir")}.ledger(), interval);
  if (!result) throw std::runtime_error(result.error().message);
  return 0;
}

int doctor(const Options& options) {
  const auto found = diagnose(gather_facts({.paths = {options.text("run-dir")}}));
  const int printed = print(options.flag("json") ? doctor_json(found) : doctor_text(found));
  const bool is_well =
      std::all_of(found.begin(), found.end(), [](const Diagnosis& one) { return one.is_well; });
  return is_well ? printed : 1;
}

int state(const Options& options, const std::string& action, const std::string& wanted) {
  if (action == "export") {
    const auto vm = find_vm(open_view(options), wanted);
    if (!vm) throw std::runtime_error(vm.error().message);
    return print(state_json(*vm));
  }
  if (action != "import") throw UsageError{"state: export or import, not " + printable(action)};
  const auto done = import_state(RunPaths{options.text("run-dir")}.control(), wanted, stdin);
  if (!done) throw std::runtime_error(done.error().message);
  return print(*done);
}

/// Becomes the wirer, with the caller's own rights.
int become_wirer(const Options& options, const std::string& command, const std::string& vm) {
  std::vector<std::string> words{options.text("wirer"),   command,     "--run-dir",
                                 options.text("run-dir"), "--connect", options.text("connect")};
  for (const char* name : {"dry-run", "yes"})
    if (options.flag(name)) words.push_back(std::string("--") + name);
  words.insert(words.end(), {"--", vm});
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  throw std::system_error(errno, std::generic_category(), "cannot start " + words[0]);
}

}  // namespace

const ProgramSpec& command_spec() { return spec; }

int run_command(int argc, const char* const* argv) {
  const auto options = parse_options(spec, argc, argv);
  if (!options) return 0;
  const auto& words = options->arguments();
  if (words.empty()) throw UsageError{"which command? (see vpowercap --help)"};
  const auto& command = words[0];
  const bool of_host = command == "show" && options->flag("host");
  const bool is_alone = command == "list" || command == "top" || command == "doctor" || of_host;
  const std::size_t wanted = is_alone ? 1 : command == "state" ? 3 : 2;
  const bool is_known = wanted != 2 || command == "show" || command == "wire" || command == "unwire";
  if (!is_known) throw UsageError{"no command \"" + printable(command) + "\" (see vpowercap --help)"};
  if (words.size() != wanted)
    throw UsageError{command + (of_host       ? " --host takes no argument"
                                : wanted == 1 ? " takes no argument"
                                : wanted == 3 ? " takes export and a VM, or import and a UUID"
                                              : " takes one VM, by UUID or name")};
  if (command == "list") return list(*options, false);
  if (command == "top") return top(*options);
  if (command == "doctor") return doctor(*options);
  if (of_host) return show_host(*options);
  if (command == "show") return show(*options, words[1]);
  if (command == "state") return state(*options, words[1], words[2]);
  return become_wirer(*options, command, words[1]);
}

}  // namespace vpowercap
