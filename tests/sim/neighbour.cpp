// SPDX-License-Identifier: Apache-2.0
// The two sides of scripts/leakage --guests, each in its guest.
//
// Usage: neighbour clock                       prints the guest's CLOCK_MONOTONIC in ns
//        neighbour send START_NS SYMBOL_MS BITS   from START_NS on, works in each symbol that is 1
//        neighbour read MS FILE                FILE's number for MS ms: a line "NS NUMBER" for each
//        change
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// A twentieth of the fastest grid: what a step is late by at most.
constexpr milliseconds reading_period{50};

long long now_ns() { return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count(); }

void work_until(Clock::time_point end) {
  volatile std::uint64_t sum = 0;
  while (Clock::now() < end)
    for (std::uint64_t i = 0; i < 20'000; ++i) sum = sum + i;
}

void send(Clock::time_point start, milliseconds symbol, std::string_view bits) {
  std::this_thread::sleep_until(start);
  for (const char bit : bits) {
    start += symbol;
    if (bit == '1') work_until(start);
    else std::this_thread::sleep_until(start);
  }
}

int read(milliseconds length, const char* path) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  std::array<char, 32> text{};
  std::string last;
  for (auto at = Clock::now(), end = at + length; at < end; at += reading_period) {
    const auto size = file < 0 ? -1 : ::pread(file, text.data(), text.size(), 0);
    if (size <= 0) {
      std::fprintf(stderr, "%s: %s\n", path, size < 0 ? std::strerror(errno) : "empty");
      return 1;
    }
    // virtiofsd reads on behind a short read: of a number that just got a digit more it brings a second
    // end of line.
    const std::string_view read(text.data(), static_cast<std::size_t>(size));
    const std::string value(read.substr(0, read.find('\n')));
    if (value != last) std::printf("%lld %s\n", now_ns(), value.c_str());
    last = value;
    std::this_thread::sleep_until(at + reading_period);
  }
  ::close(file);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string_view command = count > 1 ? arguments[1] : "";
  if (command == "clock" && count == 2) {
    std::printf("%lld\n", now_ns());
  } else if (command == "send" && count == 5) {
    send(Clock::time_point(std::chrono::nanoseconds(std::atoll(arguments[2]))),
         milliseconds(std::atoll(arguments[3])), arguments[4]);
  } else if (command == "read" && count == 4) {
    return read(milliseconds(std::atoll(arguments[2])), arguments[3]);
  } else {
    std::fputs("usage: neighbour clock | send START_NS SYMBOL_MS BITS | read MS FILE\n", stderr);
    return 2;
  }
  return 0;
}
