// SPDX-License-Identifier: Apache-2.0
// Beginning and end of meters.
#include "host/sampler/vm_meters.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <system_error>

namespace vpowercap {
namespace {

/// Helpers that come while a VM runs (a device plugged in) are found within this.
constexpr Nanoseconds search_period = std::chrono::seconds(10);
/// Where a file of the search could not be read, it is made again after this, then after twice as long.
constexpr Nanoseconds first_retry = std::chrono::milliseconds(500);

UniqueFd checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return UniqueFd(fd);
}

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (fd >= 0) ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/// Adds what an earlier process of the same VM did to what its present one did.
void merge(VmSample& sample, const VmSample& earlier, const Span& span) {
  sample.tick.alive = std::min(sample.tick.alive + earlier.tick.alive, span.length);
  sample.tick.gap = sample.tick.gap || earlier.tick.gap;
  for (const auto& [cpu, work] : earlier.by_cpu) sample.by_cpu[cpu] += work;
}

}  // namespace

VmMeters::VmMeters(MeterRoots roots, std::string libvirt_pid_dir, Problems problems)
    : roots_(std::move(roots)),
      libvirt_pid_dir_(std::move(libvirt_pid_dir)),
      problems_(std::move(problems)),
      epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      poke_(checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  watch(epoll_.get(), poke_.get());
}

std::vector<Uuid> VmMeters::all() const {
  std::vector<Uuid> uuids;
  for (const auto& [uuid, meter] : meters_) uuids.push_back(uuid);
  return uuids;
}

Result<void> VmMeters::follow(const VmDescription& vm, std::optional<WorkMark> mark, const Span& span) {
  const auto known = meters_.find(vm.uuid);
  if (known != meters_.end()) {
    if (known->second.vm().pid == vm.pid && known->second.vm().pid_start_ticks == vm.pid_start_ticks) {
      known->second.describe(vm);
      return {};
    }
    finish(known, span);
  }
  auto meter = VmMeter::open(roots_, vm, mark, span);
  if (!meter) return tl::unexpected(meter.error());
  watch(epoll_.get(), meter->exit_fd());
  meters_.emplace(vm.uuid, std::move(*meter));
  has_new_ = true;
  return {};
}

void VmMeters::finish(std::map<Uuid, VmMeter>::iterator meter, const Span& span) {
  auto sample = meter->second.measure(span);
  sample.has_ended = true;
  const auto [kept, is_new] = finished_.try_emplace(meter->first, sample);
  if (!is_new) merge(kept->second, sample, span);
  meters_.erase(meter);
}

void VmMeters::leave(const Uuid& uuid, const Span& span) {
  const auto meter = meters_.find(uuid);
  if (meter != meters_.end()) finish(meter, span);
}

std::map<Uuid, VmThreads> VmMeters::threads() const {
  std::map<Uuid, VmThreads> threads;
  for (const auto& [uuid, meter] : meters_) threads[uuid] = meter.threads();
  return threads;
}

void VmMeters::poke() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto put = ::write(poke_.get(), &one, sizeof one);
}

void VmMeters::attend(Span span) {
  std::uint64_t pokes = 0;
  [[maybe_unused]] const auto got = ::read(poke_.get(), &pokes, sizeof pokes);
  span.has_exit = true;
  std::array<epoll_event, 64> events;
  int count = 0;
  do {  // a finished meter's descriptor is closed and with it out of the set
    count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
    for (int i = 0; i < count; ++i) {
      const auto ended = std::find_if(meters_.begin(), meters_.end(), [&](const auto& entry) {
        return entry.second.exit_fd() == events[static_cast<std::size_t>(i)].data.fd;
      });
      if (ended != meters_.end()) finish(ended, span);
    }
  } while (count == static_cast<int>(events.size()));
}

void VmMeters::find_new_helpers() {
  if (has_new_) find_helpers_of_all();
}

void VmMeters::find_helpers_of_all() {
  std::vector<std::int64_t> pids;
  for (const auto& [uuid, meter] : meters_) pids.push_back(meter.vm().pid);
  if (pids.empty()) return;
  auto helpers = find_helpers(roots_.proc, libvirt_pid_dir_, pids);
  if (helpers.problem) problems_(*helpers.problem);
  has_all_helpers_ = !helpers.problem;
  for (auto& [uuid, meter] : meters_)
    has_all_helpers_ &= meter.adopt(helpers.of[meter.vm().pid], !helpers.problem);
}

/// Helpers are looked for again after a while, which is short at first where some may be missing.
void VmMeters::plan_search(Nanoseconds now) {
  const auto wait = has_all_helpers_ ? search_period : retry_wait_;
  retry_wait_ = has_all_helpers_ ? first_retry : std::min(2 * retry_wait_, search_period);
  next_search_ = now + wait;
}

std::vector<VmSample> VmMeters::measure(const Span& span) {
  if (has_new_) find_helpers_of_all();
  std::map<Uuid, VmSample> samples = std::exchange(finished_, {});
  for (auto entry = meters_.begin(); entry != meters_.end();) {
    auto sample = entry->second.measure(span);
    for (const auto& problem : entry->second.take_problems()) problems_(problem);
    if (sample.problem) problems_(*sample.problem);
    entry = sample.has_ended ? meters_.erase(entry) : std::next(entry);
    const auto earlier = samples.find(sample.tick.uuid);
    if (earlier != samples.end()) merge(sample, earlier->second, span);
    samples.insert_or_assign(sample.tick.uuid, std::move(sample));
  }
  if (!has_new_ && span.since_boot >= next_search_) find_helpers_of_all();
  if (has_new_ || span.since_boot >= next_search_) plan_search(span.since_boot);
  has_new_ = false;
  std::vector<VmSample> all;
  for (auto& [uuid, sample] : samples) all.push_back(std::move(sample));
  return all;
}

}  // namespace vpowercap
