// SPDX-License-Identifier: Apache-2.0
// Running modprobe.
#include "guest/mount/modules.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace vpowercap {

void modprobe(const std::string& name) {
  const pid_t child = ::fork();
  if (child < 0) return;
  if (child == 0) {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
      ::dup2(null, STDIN_FILENO);
      ::dup2(null, STDOUT_FILENO);
      ::dup2(null, STDERR_FILENO);
    }
    ::setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    ::execlp("modprobe", "modprobe", "-q", name.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace vpowercap
