// SPDX-License-Identifier: Apache-2.0
// vpowercap-qemu-hook: called by libvirt at each phase of a VM; never delays, never stops one.
//
// libvirt waits for its hooks without limit, and a hook that fails stops a VM, at reconnect even a
// running one. So: no call to libvirt, no waiting, no output, no child, and the exit code is 0 whatever
// happens. Only the VM's directory is worth more time, where the host has no CPU to give: without it
// the VM would not start.
#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "common/share/share.hpp"
#include "libvirt-hooks/qemu_hook/call.hpp"
#include "libvirt-hooks/qemu_hook/talk.hpp"

namespace vpowercap {
namespace {

constexpr std::size_t max_xml_size = 1024 * 1024;
constexpr auto input_time = std::chrono::milliseconds(100);
/// For the UUID at "prepare": libvirtd writes the XML when it gets CPU time.
constexpr auto uuid_time = std::chrono::milliseconds(2500);
constexpr std::chrono::microseconds whole_time = std::chrono::milliseconds(150);
constexpr std::chrono::microseconds more_time = std::chrono::milliseconds(2750);

volatile std::sig_atomic_t share_is_due = 0;
volatile std::sig_atomic_t had_whole_time = 0;

timeval timeval_of(std::chrono::microseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return {seconds.count(), (time - seconds).count()};
}

/// Ends the program with success after `whole_time`, whatever it is doing; after `more_time` more if
/// the directory was still to be made.
void limit_time() {
  struct sigaction action{};
  action.sa_handler = [](int) noexcept {
    if (share_is_due == 0 || had_whole_time != 0) ::_exit(0);
    had_whole_time = 1;
  };
  ::sigaction(SIGALRM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t alarm;
  ::sigemptyset(&alarm);
  ::sigaddset(&alarm, SIGALRM);
  ::sigprocmask(SIG_UNBLOCK, &alarm, nullptr);
  const itimerval limit{timeval_of(more_time), timeval_of(whole_time)};
  ::setitimer(ITIMER_REAL, &limit, nullptr);
}

/// So that no file of ours becomes number 0, 1 or 2.
void fill_standard_descriptors() {
  int fd = 0;
  while (fd >= 0 && fd <= 2) fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd > 2) ::close(fd);
}

Result<void> make_share(const RunPaths& paths, const Uuid& uuid) {
  if (auto base = prepare_share_base(paths); !base) return base;
  return make_vm_share(paths, uuid);
}

void handle(const HookCall& call) {
  using std::chrono::steady_clock;
  share_is_due = call.phase == "prepare" ? 1 : 0;  // libvirt looks for the directory next
  std::string xml;
  if (share_is_due != 0)
    xml = read_until(STDIN_FILENO, max_xml_size, steady_clock::now() + uuid_time, "</uuid>");
  else
    xml = read_until(STDIN_FILENO, max_xml_size, steady_clock::now() + input_time);
  const auto uuid = find_uuid(xml);
  const RunPaths paths = call.run_dir.empty() ? RunPaths{} : RunPaths{call.run_dir};
  Result<void> share;
  if (uuid && needs_share(call.phase)) share = make_share(paths, *uuid);
  if (share_is_due != 0)
    xml += read_until(STDIN_FILENO, max_xml_size - xml.size(), steady_clock::now() + input_time);
  share_is_due = 0;
  const auto told = tell_daemon(paths.control(), {"hook",
                                                  {{"phase", call.phase},
                                                   {"sub", call.sub},
                                                   {"uuid", uuid ? uuid->to_string() : ""},
                                                   {"name", call.name},
                                                   {"xml", xml}}});
  if (!share)
    log_line("VM " + uuid->to_string() + " has no directory to share: " + share.error().message);
  else if (!told && call.phase == "prepare")
    log_line(told.error().message + "; the daemon finds the VM when it is back");
}

/// Nothing libvirt sends has one word only: a person asks.
bool answer_person(const char* word) {
  if (std::strcmp(word, "--version") == 0) {
    std::puts("vpowercap-qemu-hook " VPOWERCAP_VERSION);
  } else if (std::strcmp(word, "--help") == 0) {
    std::puts(
        "Usage: vpowercap-qemu-hook [--run-dir DIR] [--] NAME OPERATION SUB-OPERATION EXTRA\n\n"
        "Called by libvirt's qemu hook with a domain XML on standard input: makes the directory\n"
        "that a VM's virtiofs share needs and tells vpowercapd of the phase. Takes at most 150 ms\n"
        "(2.9 s while that directory is still to be made), prints nothing and exits with 0\n"
        "whatever happens.\n\n"
        "  --run-dir DIR   where vpowercapd runs (default: /run/vpowercap)");
  } else {
    return false;
  }
  return true;
}

}  // namespace
}  // namespace vpowercap

int main(int argc, char** argv) {
  using namespace vpowercap;
  limit_time();
  try {
    if (argc == 2 && answer_person(argv[1])) return 0;
    fill_standard_descriptors();
    if (const auto call = parse_call({argv + 1, argv + (argc > 0 ? argc : 1)})) handle(*call);
  } catch (...) {  // out of memory, say: the VM starts nevertheless
  }
  ::_exit(0);
}
