// SPDX-License-Identifier: Apache-2.0
// A process that looks like a VM's: on each byte of its input its vCPU thread uses exactly so much more
// CPU time, then answers with a byte. Arguments: milliseconds of CPU time per byte, CPU to run on.
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <thread>

namespace {

std::int64_t thread_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void be_a_vcpu(std::int64_t slice_ns, int cpu) {
  ::prctl(PR_SET_NAME, "CPU 0/TCG");
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(cpu), &set);
  ::sched_setaffinity(0, sizeof set, &set);
  // Targets add up, so that what one slice overshoots the next does not.
  std::int64_t target = thread_cpu_ns();
  char byte = 'r';
  if (::write(STDOUT_FILENO, &byte, 1) != 1) return;
  while (::read(STDIN_FILENO, &byte, 1) == 1) {
    target += slice_ns;
    while (thread_cpu_ns() < target) {
    }
    if (::write(STDOUT_FILENO, &byte, 1) != 1) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::thread(be_a_vcpu, std::atoll(argv[1]) * 1'000'000, std::atoi(argv[2])).join();
  return 0;
}
