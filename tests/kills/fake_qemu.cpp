// SPDX-License-Identifier: Apache-2.0
// A process that looks like a VM's to the daemon: `-uuid UUID` among its arguments, two vCPU threads,
// each on a CPU of its own, that work a fifth of the time. Ends with its parent.
#include <sched.h>
#include <sys/prctl.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

[[noreturn]] void be_vcpu(unsigned number) {
  ::prctl(PR_SET_NAME, ("CPU " + std::to_string(number) + "/TCG").c_str());
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(number, &set);
  ::sched_setaffinity(0, sizeof set, &set);  // fails harmlessly where there is one CPU only
  for (;;) {
    for (const auto end = Clock::now() + milliseconds(2); Clock::now() < end;) {
    }
    std::this_thread::sleep_for(milliseconds(8));
  }
}

}  // namespace

int main() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::thread(be_vcpu, 0).detach();
  be_vcpu(1);
}
