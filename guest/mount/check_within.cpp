// SPDX-License-Identifier: Apache-2.0
// The check in a process of its own, with a time limit.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.hpp"
#include "common/base/unique_fd.hpp"
#include "guest/mount/check.hpp"

namespace vpowercap {
namespace {

/// A finding on one line of a pipe: "1 subject sentence" or "0 subject sentence".
std::string to_line(const Finding& finding) {
  std::string line = (finding.ok ? "1 " : "0 ") + finding.subject + " " + finding.sentence;
  for (char& c : line)
    if (c == '\n') c = ' ';
  return line + "\n";
}

Finding from_line(const std::string& line) {
  const auto blank = line.find(' ', 2);
  if (line.size() < 2 || blank == std::string::npos) return {false, "check", line};
  return {line[0] == '1', line.substr(2, blank - 2), line.substr(blank + 1)};
}

/// Reports each line in `pending` that is complete and takes it off.
void report_lines(std::string& pending, const Report& report) {
  for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
    report(from_line(pending.substr(0, end)));
    pending.erase(0, end + 1);
  }
}

/// Relays what comes through `pipe` until its end or `deadline`; true at its end.
bool relay(int pipe, Nanoseconds deadline, const Report& report) {
  const SystemClock clock;
  std::string pending;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock.now()).count();
    pollfd waiting{pipe, POLLIN, 0};
    const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    char buffer[4096];
    const ssize_t got = ::read(pipe, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    pending.append(buffer, static_cast<std::size_t>(got));
    report_lines(pending, report);
  }
}

}  // namespace

void check_within(const CheckOptions& options, Nanoseconds limit, const Report& report,
                  const std::function<void(const Report&)>& also) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return report({false, "check", "cannot make a pipe"});
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return report({false, "check", "cannot fork"});
  if (child == 0) {
    // Nobody may wait for the caller's descriptors when this process hangs.
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(standard);
    const Report send = [&](const Finding& finding) {
      (void)write_all(writing.get(), to_line(finding));
    };
    check_share(options, send);
    if (also) also(send);
    ::_exit(0);
  }
  writing.reset();
  if (relay(reading.get(), SystemClock().now() + limit, report)) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      report({false, "check", "the check itself broke off"});
    return;
  }
  ::kill(child, SIGKILL);
  report({false, "check",
          "reading " + options.share.target +
              " hangs: the virtiofsd of this VM on the host has died or its server stands still; the "
              "host's operator must look, and if virtiofsd died only a power cycle of this VM helps"});
}

}  // namespace vpowercap
