// SPDX-License-Identifier: Apache-2.0
// Reads one file again and again, by a descriptor that it keeps and by one that it opens for each read.
//
//   kept_and_fresh FILE SECONDS PAUSE_MS
//
// Prints a line "HOW BEGIN END VALUE" for each read: kept or fresh, CLOCK_MONOTONIC before and after it
// in ns, and the first line of what it gave. The first half of the time belongs to the kept descriptor
// alone: in some cache modes of virtiofs it is the opening of a file that drops what is cached of it.
// In the second half each fresh read is followed by a kept one. Exits with 1 when a read fails.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
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

int open_for_reading(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) std::perror(path);
  return fd;
}

/// Whether the file could be read.
bool show(const char* how, int fd, long long begin) {
  char text[64];
  const auto size = ::pread(fd, text, sizeof text, 0);
  if (size <= 0) {
    std::perror(how);
    return false;
  }
  const auto end = now_ns();
  const std::string_view all(text, static_cast<std::size_t>(size));
  const auto length = static_cast<int>(std::min(all.find('\n'), all.size()));
  std::printf("%s %lld %lld %.*s\n", how, begin, end, length, text);
  return true;
}

bool show_fresh(const char* path) {
  const auto begin = now_ns();
  const int fd = open_for_reading(path);
  const bool done = fd >= 0 && show("fresh", fd, begin);
  if (fd >= 0) ::close(fd);
  return done;
}

bool read_for(const char* path, std::chrono::duration<double> time, std::chrono::milliseconds pause) {
  const int kept = open_for_reading(path);
  if (kept < 0) return false;
  const auto begin = Clock::now();
  while (Clock::now() - begin < time) {
    if (Clock::now() - begin >= time / 2 && !show_fresh(path)) return false;
    if (!show("kept", kept, now_ns())) return false;
    std::this_thread::sleep_for(pause);
  }
  ::close(kept);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: kept_and_fresh FILE SECONDS PAUSE_MS\n", stderr);
    return 2;
  }
  const std::chrono::duration<double> time(std::atof(argv[2]));
  return read_for(argv[1], time, std::chrono::milliseconds(std::atol(argv[3]))) ? 0 : 1;
}
