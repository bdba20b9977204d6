// SPDX-License-Identifier: Apache-2.0
// The sampler's clock: a timer on absolute multiples of the period.
#include "host/daemon/sampler_thread.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <systemd/sd-daemon.h>

#include <array>
#include <ctime>
#include <system_error>

namespace vpowercap {
namespace {

Nanoseconds read_clock(clockid_t clock) {
  timespec ts{};
  ::clock_gettime(clock, &ts);
  return std::chrono::seconds(ts.tv_sec) + Nanoseconds(ts.tv_nsec);
}

timespec to_timespec(Nanoseconds time) {
  return {static_cast<time_t>(time.count() / 1'000'000'000),
          static_cast<long>(time.count() % 1'000'000'000)};
}

UniqueFd checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return UniqueFd(fd);
}

}  // namespace

SamplerThread::SamplerThread(std::unique_ptr<Sampler> sampler, Nanoseconds period,
                             std::chrono::milliseconds silence)
    : sampler_(std::move(sampler)),
      timer_(checked(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "timerfd_create")),
      stop_(checked(::eventfd(0, EFD_CLOEXEC), "eventfd")),
      silence_ms_(static_cast<int>(silence.count())) {
  tick();  // the ledger has values before the first reader looks
  const auto now = read_clock(CLOCK_MONOTONIC);
  itimerspec timing{};
  timing.it_interval = to_timespec(period);
  timing.it_value = to_timespec((now / period + 1) * period);
  if (::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &timing, nullptr) != 0)
    throw std::system_error(errno, std::generic_category(), "timerfd_settime");
  thread_ = std::thread([this] { run(); });
  ::pthread_setname_np(thread_.native_handle(), "sampler");
}

SamplerThread::~SamplerThread() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto put = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void SamplerThread::run() {
  std::array<pollfd, 3> fds{
      {{timer_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}, {sampler_->event_fd(), POLLIN, 0}}};
  for (;;) {
    const int ready = ::poll(fds.data(), fds.size(), silence_ms_);
    if (ready < 0) continue;
    if (fds[1].revents != 0) return;
    give_sign_of_life();
    if (ready == 0) continue;
    if (fds[2].revents != 0) sampler_->attend(read_clock(CLOCK_MONOTONIC), read_clock(CLOCK_BOOTTIME));
    if (fds[0].revents == 0) continue;
    std::uint64_t expirations = 0;
    if (::read(timer_.get(), &expirations, sizeof expirations) != sizeof expirations) continue;
    tick();
  }
}

void SamplerThread::give_sign_of_life() {
  sampler_->beat(clock_.now());
  ::sd_notify(0, "WATCHDOG=1");
}

void SamplerThread::tick() {
  // Read close to one another: their difference must grow by suspends only, not by a moment off the
  // CPU.
  constexpr auto close = std::chrono::milliseconds(1);
  constexpr int tries = 5;
  for (int i = 1;; ++i) {
    const auto now = read_clock(CLOCK_MONOTONIC);
    const auto since_boot = read_clock(CLOCK_BOOTTIME);
    if (i < tries && read_clock(CLOCK_MONOTONIC) - now > close) continue;
    sampler_->tick(now, since_boot);
    return;
  }
}

}  // namespace vpowercap
