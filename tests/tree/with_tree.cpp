// SPDX-License-Identifier: Apache-2.0
// Runs a command on a tree that the real vpowercap-fs serves from a real ledger.
//
//   with_tree VPOWERCAP_FS steady|changing COMMAND [ARGUMENT]...
//
// The command gets the mount's path as its last argument; below it lie the trees of two VMs, `client`
// and `server`. Exits as the command does, with 77 (skipped) where nothing can be mounted.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "common/ledger/writer.hpp"
#include "tests/support/mount_sandbox.hpp"
#include "tests/support/test_vm.hpp"

namespace {

using namespace vpowercap;

constexpr int skipped = 77;

std::uint32_t bit(EnergyDomain domain) { return 1u << static_cast<unsigned>(domain); }

/// One socket with core, uncore and dram.
VmRecord client(std::uint64_t published_uj) {
  auto record = testing::vm_record(*Uuid::parse("00000000-0000-4000-8000-00000000000c"), published_uj);
  record.sockets = 1;
  record.domain_mask = bit(EnergyDomain::package) | bit(EnergyDomain::core) |
                       bit(EnergyDomain::uncore) | bit(EnergyDomain::dram);
  return record;
}

/// Two sockets with dram.
VmRecord server(std::uint64_t published_uj) {
  auto record = testing::vm_record(*Uuid::parse("00000000-0000-4000-8000-00000000000e"), published_uj);
  record.domain_mask = bit(EnergyDomain::package) | bit(EnergyDomain::dram);
  return record;
}

int fail_with(const char* what) {
  std::perror(what);
  return 1;
}

/// Starts a program; `kept` (or -1) stays open in it.
pid_t start(const std::vector<std::string>& command, int kept) {
  const auto child = ::fork();
  if (child != 0) return child;
  if (kept >= 0) ::fcntl(kept, F_SETFD, 0);
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  ::_exit(fail_with(arguments[0]));
}

int wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/// Publishes ever greater values, as fast as the ledger takes them, until told to stop.
void change(LedgerWriter& writer, const std::atomic<bool>& stop) {
  for (std::uint64_t uj = 1; !stop; uj += 7) {
    if (!writer.store_vm(client(uj)) || !writer.store_vm(server(uj))) std::abort();
    writer.beat(SystemClock().now());
  }
}

int run(const std::string& server_program, bool changing, std::vector<std::string> command) {
  if (const auto reason = testing::enter_mount_sandbox(); !reason.empty()) {
    std::fprintf(stderr, "skipped: %s\n", reason.c_str());
    return skipped;
  }
  const UniqueFd fuse(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!fuse) {
    std::perror("skipped: /dev/fuse");
    return skipped;
  }
  const testing::MountedTempDir dir;
  const auto root = dir.path() + "/fs";
  const auto ledger = dir.path() + "/ledger";
  if (::mkdir(root.c_str(), 0755) != 0) return fail_with(root.c_str());
  auto writer = LedgerWriter::open({.path = ledger, .group = ""});
  if (!writer) return fail_with(writer.error().message.c_str());
  writer->beat(SystemClock().now());
  if (!writer->store_vm(client(1)) || !writer->store_vm(server(1))) return fail_with("store_vm");

  const auto number = std::to_string(fuse.get());
  const auto options =
      "fd=" + number + ",rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions";
  if (::mount("vpowercap", root.c_str(), "fuse.vpowercap", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
    return fail_with("mount");
  const auto serving = start({server_program, "--fuse-fd", number, "--ledger", ledger}, fuse.get());
  command.push_back(root);
  const auto reading = start(command, -1);

  std::atomic<bool> stop = false;
  std::jthread changer;
  if (changing) changer = std::jthread([&] { change(*writer, stop); });
  const auto result = wait_for(reading);
  stop = true;
  if (::umount2(root.c_str(), MNT_DETACH) != 0) return fail_with("umount");
  return wait_for(serving) == 0 ? result : fail_with("vpowercap-fs ended badly");
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 3 || (words[1] != "steady" && words[1] != "changing")) {
    std::fputs("usage: with_tree VPOWERCAP_FS steady|changing COMMAND [ARGUMENT]...\n", stderr);
    return 2;
  }
  return run(words[0], words[1] == "changing", {words.begin() + 2, words.end()});
}
