// SPDX-License-Identifier: Apache-2.0
// vpowercap-wirer: changes a VM's definition so that the VM gets its share, and back.
#include <unistd.h>

#include <iostream>

#include "common/base/utf8.hpp"
#include "common/options/options.hpp"
#include "common/share/share.hpp"
#include "host/wiring/wirer.hpp"

namespace vpowercap {
namespace {

const ProgramSpec spec{
    .name = "vpowercap-wirer",
    .summary = "give a virtual machine its power meter, or take it away",
    .usage = "[OPTION]... wire|unwire|show VM",
    .description =
        "Changes the persistent definition of the libvirt VM with this UUID or name, so that it gets "
        "the directory with its own energy counters as a virtiofs share with the tag \"vpowercap\". A "
        "running VM is not touched: the change takes effect when it is shut down and started again.\n\n"
        "A virtiofs share needs memory that the VM shares with the server. Such memory has no "
        "transparent huge pages unless /sys/kernel/mm/transparent_hugepage/shmem_enabled allows them, "
        "and with the virtiofsd of Debian 12 a VM that has a share can be neither saved nor migrated. "
        "unwire undoes what wire added and nothing else.",
    .options = {{"connect", "URI", "qemu:///system",
                 "libvirt's address, with the right to change VMs."},
                {"run-dir", "DIR", "/run/vpowercap", "Directory of the daemons, where the shares are."},
                {"virtiofsd", "PATH", "",
                 "virtiofs server of the share; libvirt's own choice otherwise."},
                {"dry-run", "", "", "Print the new definition and change nothing."},
                {"yes", "", "", "Do not ask on a terminal."}},
    .commands = {{"wire", "add the share to the VM's definition"},
                 {"unwire", "remove what wire added"},
                 {"show", "tell whether the VM is wired"}},
    .takes_arguments = true};

template <typename T>
T or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

bool confirmed(const Options& options) {
  if (options.flag("yes") || ::isatty(STDIN_FILENO) == 0) return true;
  std::cerr << "Change the definition? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

int change(const Options& options, bool wire, virConnectPtr connection, const PersistentVm& vm) {
  const RunPaths paths{options.text("run-dir")};
  const std::string before = or_throw(vm.definition(true));
  const WiredXml after =
      or_throw(wire ? wire_xml(before, {paths.source(vm.uuid()), options.text("virtiofsd")})
                    : unwire_xml(before));
  const std::string shown = printable(vm.name()) + " (" + vm.uuid().to_string() + ")";
  if (options.flag("dry-run")) {
    std::cout << after.xml;
    return 0;
  }
  if (after.changes.empty()) {
    std::cout << shown << " is " << (wire ? "already wired" : "not wired") << ", nothing to do\n";
    return 0;
  }
  std::cout << (wire ? "Wiring " : "Unwiring ") << shown << ":\n";
  for (const auto& line : after.changes) std::cout << "  - " << line << "\n";
  std::cout << std::flush;
  if (!confirmed(options)) {
    std::cout << "Nothing was changed.\n";
    return 1;
  }
  or_throw(vm.define(connection, after.xml));
  std::cout << "Done. "
            << (vm.running()
                    ? "The VM is running: this takes effect when it is shut down and started again."
                    : "This takes effect at the VM's next start.")
            << "\n";
  return 0;
}

int show(const PersistentVm& vm) {
  const bool wired = or_throw(is_wired_xml(or_throw(vm.definition(false))));
  std::cout << printable(vm.name()) << " (" << vm.uuid().to_string() << ") is "
            << (wired ? "wired" : "not wired") << "\n";
  return 0;
}

int run(int argc, const char* const* argv) {
  const auto options = parse_options(spec, argc, argv);
  if (!options) return 0;
  const auto& words = options->arguments();
  if (words.size() != 2) throw UsageError{"expected a command and a VM: wire VM, unwire VM or show VM"};
  const std::string& command = words[0];
  if (command != "wire" && command != "unwire" && command != "show")
    throw UsageError{"\"" + printable(command) + "\" is no command: wire, unwire and show are"};
  const auto connection = or_throw(connect_libvirt(options->text("connect"), command == "show"));
  const auto vm = or_throw(PersistentVm::find(connection.get(), words[1]));
  return command == "show" ? show(vm) : change(*options, command == "wire", connection.get(), vm);
}

}  // namespace
}  // namespace vpowercap

int main(int argc, char** argv) {
  return vpowercap::run_program("vpowercap-wirer", vpowercap::run, argc, argv);
}
