// SPDX-License-Identifier: Apache-2.0
// The watch's thread: connect, listen, list; over and over.
#include "host/hypervisor/libvirt_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "common/base/clock.hpp"
#include "common/base/unique_fd.hpp"
#include "host/hypervisor/back_off.hpp"
#include "host/hypervisor/connection.hpp"
#include "host/hypervisor/pace.hpp"
#include "host/hypervisor/vm_list.hpp"

namespace vpowercap {
namespace {

constexpr int resync_ms = 10'000;
constexpr auto leave_wait = std::chrono::seconds(2);
constexpr int keepalive_seconds = 5;
constexpr unsigned int keepalive_misses = 3;

void drain(int event_fd) {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(event_fd, &count, sizeof count);
}

}  // namespace

/// Shared with the thread, which outlives the watch when libvirt does not let it go.
struct LibvirtWatch::Impl {
  LibvirtWatchOptions options;
  UniqueFd wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::atomic<bool> leaving = false;

  std::mutex mutex;  ///< guards what follows; held during callbacks, so that none comes after the end
  Callbacks callbacks;
  bool started = false;
  bool silent = false;
  bool ended = false;
  bool outage = false;                     ///< said so
  std::optional<Nanoseconds> asked_since;  ///< while libvirt owes an answer
  std::condition_variable change;
  std::thread thread;

  // Of the thread alone.
  VmList list;
  Pace pace;
  bool due = false;
  bool lost = false;
  bool closed = false;   ///< libvirt said so, and has forgotten the callback by that
  bool working = false;  ///< this connection has given a list
  bool hurried = false;
  int timer = -1;

  Impl(LibvirtWatchOptions wanted, Callbacks calls)
      : options(std::move(wanted)),
        callbacks(std::move(calls)),
        list({options.pid_dir, options.proc_root}, options.defaults) {}

  void run();
  void follow();
  [[nodiscard]] bool wait_for_start();
  void serve(virConnectPtr connection);
  void resync(virConnectPtr connection);
  void hurry();
  [[nodiscard]] Error lost_connection() const {
    return {ENOTCONN, "lost the connection to libvirt at " + options.uri +
                          "; known VMs go on, new ones are found when it is back"};
  }
  void pause(std::chrono::seconds time) const;
  void report_outage(const Error& error);
  void report_return();
  void report_oddity(const Error& error) {
    call([&](const Callbacks& calls) { calls.on_problem(error); });
  }
  void poke() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto put = ::write(wake.get(), &one, sizeof one);
  }
  template <typename Call>
  void call(Call what) {
    const std::lock_guard lock(mutex);
    if (!silent) what(callbacks);
  }
  /// Asks libvirt, which may take for ever.
  template <typename Question>
  auto ask(Question question) {
    set_asked(SystemClock().now());
    auto answer = question();
    set_asked(std::nullopt);
    return answer;
  }
  void set_asked(std::optional<Nanoseconds> since) {
    const std::lock_guard lock(mutex);
    asked_since = since;
  }
  static void on_close(virConnectPtr /*connection*/, int /*reason*/, void* self) noexcept {
    static_cast<Impl*>(self)->lost = static_cast<Impl*>(self)->closed = true;
  }
};

/// A new list soon; what else happens until then is covered by it.
void LibvirtWatch::Impl::hurry() {
  if (hurried) return;
  hurried = true;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(pace.wait(SystemClock().now()));
  ::virEventUpdateTimeout(timer, static_cast<int>(wait.count()));
}

void LibvirtWatch::Impl::report_outage(const Error& error) {
  call([&](const Callbacks& calls) {
    if (!std::exchange(outage, true)) calls.on_problem(error);
  });
}

void LibvirtWatch::Impl::report_return() {
  call([&](const Callbacks& calls) {
    if (!working || outage) calls.on_info("follows libvirt at " + options.uri);
    outage = false;
  });
  working = true;
}

void LibvirtWatch::Impl::pause(std::chrono::seconds time) const {
  pollfd ready{wake.get(), POLLIN, 0};
  ::poll(&ready, 1, static_cast<int>(std::chrono::milliseconds(time).count()));
  drain(wake.get());
}

void LibvirtWatch::Impl::resync(virConnectPtr connection) {
  due = hurried = false;
  const auto begin = SystemClock().now();
  auto domains = ask([&] { return active_domains(connection); });
  if (!domains) {
    lost = true;
    return report_outage(domains.error());
  }
  list.begin(begin);
  for (const auto& domain : *domains) {
    if (leaving) return;
    Uuid uuid;
    if (::virDomainGetUUID(domain.get(), uuid.bytes.data()) != 0) continue;
    list.add(uuid, ask([&] { return domain_xml(domain.get(), 0); }));
  }
  // A connection lost on the way leaves a list that is half memory: say nothing then.
  if (::virConnectIsAlive(connection) != 1) {
    lost = true;
    return report_outage(lost_connection());
  }
  report_return();
  for (const auto& problem : list.take_problems()) report_oddity(problem);
  call([&](const Callbacks& calls) { calls.on_vms(list.finish()); });
  pace.listed(begin, SystemClock().now());
  ::virEventUpdateTimeout(timer, resync_ms);
}

/// One connection, from its events' registration until it is lost or the watch ends.
void LibvirtWatch::Impl::serve(virConnectPtr connection) {
  lost = closed = hurried = false;
  due = true;
  ::virConnectSetKeepAlive(connection, keepalive_seconds, keepalive_misses);
  timer = ::virEventAddTimeout(
      resync_ms, [](int, void* self) noexcept { static_cast<LibvirtWatch::Impl*>(self)->due = true; },
      this, nullptr);
  const int handle = ::virEventAddHandle(
      wake.get(), VIR_EVENT_HANDLE_READABLE,
      [](int, int fd, int, void* self) noexcept {
        drain(fd);
        static_cast<LibvirtWatch::Impl*>(self)->hurry();
      },
      this, nullptr);
  // It holds a reference to the connection: only without it is the connection closed at last.
  const bool hears_close = ::virConnectRegisterCloseCallback(connection, &on_close, this, nullptr) == 0;
  if (!hears_close) report_oddity(fail_libvirt("cannot learn when the connection is lost").value());
  const auto on_event = [](virConnectPtr, virDomainPtr, int, int, void* self) noexcept {
    static_cast<LibvirtWatch::Impl*>(self)->hurry();
    return 0;
  };
  const int events = ::virConnectDomainEventRegisterAny(
      connection, nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
      VIR_DOMAIN_EVENT_CALLBACK(static_cast<virConnectDomainEventCallback>(on_event)), this, nullptr);
  const auto on_metadata = [](virConnectPtr, virDomainPtr, int, const char*, void* self) noexcept {
    static_cast<LibvirtWatch::Impl*>(self)->hurry();
  };
  const int changes = ::virConnectDomainEventRegisterAny(
      connection, nullptr, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
      VIR_DOMAIN_EVENT_CALLBACK(static_cast<virConnectDomainEventMetadataChangeCallback>(on_metadata)),
      this, nullptr);
  while (!leaving && !lost) {
    if (due) resync(connection);
    else if (::virEventRunDefaultImpl() < 0) break;
  }
  for (const int registered : {events, changes})
    if (registered >= 0) ::virConnectDomainEventDeregisterAny(connection, registered);
  if (hears_close && !closed && ::virConnectUnregisterCloseCallback(connection, &on_close) != 0)
    report_oddity(fail_libvirt("cannot give up a connection, which stays open").value());
  ::virEventRemoveHandle(handle);
  ::virEventRemoveTimeout(timer);
}

bool LibvirtWatch::Impl::wait_for_start() {
  std::unique_lock lock(mutex);
  change.wait(lock, [this] { return started || silent; });
  return started;
}

void LibvirtWatch::Impl::follow() {
  for (BackOff back_off; !leaving;) {
    if (const auto connection = ask([&] { return connect_libvirt(options.uri, true); })) {
      working = false;
      if (!leaving) serve(connection->get());
      if (working) back_off.reset();
      if (!leaving) report_outage(lost_connection());
    } else {
      report_outage({connection.error().code, connection.error().message + "; trying again"});
    }
    if (!leaving) pause(back_off.next());
  }
}

void LibvirtWatch::Impl::run() {
  if (wait_for_start()) follow();
  const std::lock_guard lock(mutex);
  ended = true;
  change.notify_all();
}

LibvirtWatch::LibvirtWatch(LibvirtWatchOptions options, Callbacks callbacks)
    : impl_(std::make_shared<Impl>(std::move(options), std::move(callbacks))) {
  if (!impl_->wake) throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
  initialize_libvirt();
  // Signals are for the program's own thread, and SIGPIPE of libvirt's sockets for nobody.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  impl_->thread = std::thread([impl = impl_] { impl->run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LibvirtWatch::~LibvirtWatch() {
  impl_->leaving = true;
  impl_->poke();
  std::unique_lock lock(impl_->mutex);
  impl_->silent = true;
  impl_->change.notify_all();
  // A call into a hung libvirtd cannot be broken off: after a while it is left to itself.
  const bool ended = impl_->change.wait_for(lock, leave_wait, [this] { return impl_->ended; });
  lock.unlock();
  if (ended) impl_->thread.join();
  else impl_->thread.detach();
}

void LibvirtWatch::start() {
  const std::lock_guard lock(impl_->mutex);
  impl_->started = true;
  impl_->change.notify_all();
}

void LibvirtWatch::refresh() { impl_->poke(); }

void LibvirtWatch::check() {
  const auto now = SystemClock().now();
  const auto patience = impl_->options.patience;
  impl_->call([&](const Callbacks& calls) {
    if (!impl_->asked_since || now - *impl_->asked_since < patience) return;
    if (std::exchange(impl_->outage, true)) return;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(patience).count();
    calls.on_problem({ETIMEDOUT, "libvirt at " + impl_->options.uri + " has not answered for " +
                                     std::to_string(seconds) +
                                     " s; known VMs go on, new ones are found when it answers"});
  });
}

}  // namespace vpowercap
