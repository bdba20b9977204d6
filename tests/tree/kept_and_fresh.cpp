// SPDX-License-Identifier: Apache-2.0
// Reads one file again and again, by a descriptor that it keeps and by one that it opens for each read.
//
//   kept_and_fresh FILE SECONDS PAUSE_MS [on]
//
// Prints a line "HOW BEGIN END VALUE" for each read: kept or fresh, CLOCK_MONOTONIC before and after it
// in ns, and the first line of what it gave. The first half of the time belongs to the kept descriptor
// alone: in some cache modes of virtiofs it is the opening of a file that drops what is cached of it.
// In the second half each fresh read is followed by a kept one. Exits with 1 when a read fails; with
// "on" such a read has "error NUMBER" (errno) for a value, and the next follows.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

long long now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count();
}

bool goes_on = false;

/// Whether to go on after a failed read.
bool show_error(const char* how, long long begin) {
  if (goes_on) std::printf("%s %lld %lld error %d\n", how, begin, now_ns(), errno);
  else std::perror(how);
  return goes_on;
}

/// Whether the file could be read, or that it could not does not matter.
bool show(const char* how, int fd, long long begin) {
  char text[64];
  const auto size = ::pread(fd, text, sizeof text, 0);
  if (size <= 0) return show_error(how, begin);
  const auto end = now_ns();
  const std::string_view all(text, static_cast<std::size_t>(size));
  const auto length = static_cast<int>(std::min(all.find('\n'), all.size()));
  std::printf("%s %lld %lld %.*s\n", how, begin, end, length, text);
  return true;
}

bool show_fresh(const char* path) {
  const auto begin = now_ns();
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return show_error("fresh", begin);
  const bool done = show("fresh", fd, begin);
  ::close(fd);
  return done;
}

bool read_for(const char* path, std::chrono::duration<double> time, std::chrono::milliseconds pause) {
  const int kept = ::open(path, O_RDONLY | O_CLOEXEC);
  if (kept < 0) {
    std::perror(path);
    return false;
  }
  const auto begin = Clock::now();
  while (Clock::now() - begin < time) {
    if (Clock::now() - begin >= time / 2 && !show_fresh(path)) return false;
    if (!show("kept", kept, now_ns())) return false;
    std::fflush(stdout);
    std::this_thread::sleep_for(pause);
  }
  ::close(kept);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  goes_on = argc == 5 && std::string_view(argv[4]) == "on";
  if (argc != 4 && !goes_on) {
    std::fputs("usage: kept_and_fresh FILE SECONDS PAUSE_MS [on]\n", stderr);
    return 2;
  }
  const std::chrono::duration<double> time(std::atof(argv[2]));
  return read_for(argv[1], time, std::chrono::milliseconds(std::atol(argv[3]))) ? 0 : 1;
}
