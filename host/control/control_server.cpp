// SPDX-License-Identifier: Apache-2.0
// Connections of the control socket: one epoll set, one frame per packet.
#include "host/control/control_server.hpp"

#include <fcntl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <vector>

#include "common/base/unique_fd.hpp"
#include "common/base/utf8.hpp"
#include "common/wire/unix_address.hpp"
#include "host/control/listener.hpp"

namespace vpowercap {
namespace {

constexpr std::size_t max_connections = 64;

struct Connection {
  UniqueFd fd;
  ucred peer{};
  std::uint64_t last_use = 0;  ///< order of accept and of frames: the smallest is dropped first
};

/// Only root may speak for libvirt and change counters; a test's own daemon also believes its own user.
bool may_command(const ucred& peer) { return peer.uid == 0 || peer.uid == ::geteuid(); }

bool is_command(std::string_view kind) { return kind == "hook" || kind == "import-state"; }

/// A descriptor to let go when there is no other.
UniqueFd open_spare() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

struct ControlServer::State {
  State(Listener bound, UniqueFd set, Handlers calls)
      : listener(std::move(bound)),
        epoll(std::move(set)),
        handlers(std::move(calls)),
        buffer(max_frame_size + 1, '\0') {}

  Listener listener;
  UniqueFd epoll;
  Handlers handlers;
  std::vector<Connection> connections;
  std::string buffer;
  std::uint64_t uses = 0;
  UniqueFd spare = open_spare();
  bool is_deaf = false;  ///< whether connections wait until there is a spare descriptor again

  [[nodiscard]] bool watch(int fd, std::uint32_t events = EPOLLIN,
                           int operation = EPOLL_CTL_ADD) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    return ::epoll_ctl(epoll.get(), operation, fd, &event) == 0;
  }
  /// `key`: of whom there may be many of these.
  void problem(int code, const std::string& message, const std::string& key = {}) const {
    handlers.on_problem({code, message, key});
  }
  void drop(int fd) {
    std::erase_if(connections, [fd](const Connection& one) { return one.fd.get() == fd; });
  }
  void drop_longest_silent();
  void hear_again();
  void refuse_one();
  void accept_all();
  void receive(int fd);
  [[nodiscard]] bool handle(int fd, const ucred& peer, std::string_view packet);
  [[nodiscard]] bool answer(int fd, const Frame& frame);
};

void ControlServer::State::drop_longest_silent() {
  const auto oldest = std::ranges::min_element(connections, {}, &Connection::last_use);
  if (oldest != connections.end()) connections.erase(oldest);
}

void ControlServer::State::hear_again() {
  if (!spare) spare = open_spare();
  if (is_deaf && spare) is_deaf = !watch(listener.fd(), EPOLLIN, EPOLL_CTL_MOD);
}

/// Without a descriptor for it a connection would stay where it is, and the listener readable for ever.
void ControlServer::State::refuse_one() {
  spare.reset();
  const UniqueFd refused(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

void ControlServer::State::accept_all() {
  // Bounded, so that a flood of connections cannot keep the caller here.
  for (int accepted = 0; accepted < 256; ++accepted) {
    UniqueFd fd(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
      if (errno == EAGAIN) return;
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (!connections.empty()) {
        problem(errno, "cannot accept a connection, dropping the longest silent one", "accept");
        drop_longest_silent();
      } else if (spare) {
        problem(errno, "cannot accept a connection, refusing it", "accept");
        refuse_one();
        spare = open_spare();
      } else {
        problem(errno, "cannot accept connections, they wait", "accept");
        is_deaf = watch(listener.fd(), 0, EPOLL_CTL_MOD);
      }
      return;
    }
    Connection fresh{std::move(fd), {}, ++uses};
    socklen_t size = sizeof fresh.peer;
    const int raw = fresh.fd.get();
    if (::getsockopt(raw, SOL_SOCKET, SO_PEERCRED, &fresh.peer, &size) != 0 || !watch(raw)) {
      problem(errno, "cannot serve a new connection");
      continue;
    }
    if (connections.size() == max_connections) drop_longest_silent();
    connections.push_back(std::move(fresh));
    receive(raw);  // what was sent before is served even when a crowd queues behind
  }
}

void ControlServer::State::receive(int fd) {
  const auto found =
      std::ranges::find_if(connections, [fd](const Connection& one) { return one.fd.get() == fd; });
  if (found == connections.end()) return;
  const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return drop(fd);
  found->last_use = ++uses;
  const ucred peer = found->peer;
  // MSG_TRUNC: the packet's real length, also when it was longer than the buffer.
  const auto length = std::min(static_cast<std::size_t>(got), buffer.size());
  if (!handle(fd, peer, std::string_view(buffer).substr(0, length))) drop(fd);
}

bool ControlServer::State::handle(int fd, const ucred& peer, std::string_view packet) {
  const std::string user = "user " + std::to_string(peer.uid);
  const std::string who = "process " + std::to_string(peer.pid) + " of " + user;
  const auto frame = decode(packet);
  if (!frame) {
    problem(frame.error().code, "refused a message of " + who + ": " + frame.error().message, user);
    return false;
  }
  if (is_command(frame->kind) && !may_command(peer)) {
    problem(EPERM, "refused a message \"" + frame->kind + "\" of " + who + ": only root may send one",
            user);
    return false;
  }
  if (frame->kind != "hook") return answer(fd, handlers.on_request(*frame));
  handlers.on_hook(*frame);
  return true;
}

bool ControlServer::State::answer(int fd, const Frame& frame) {
  const auto bytes = encode(frame);
  if (!bytes) {
    problem(bytes.error().code,
            "cannot send the answer \"" + printable(frame.kind) + "\": " + bytes.error().message);
    return false;
  }
  if (::send(fd, bytes->data(), bytes->size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
  if (errno != EPIPE && errno != ECONNRESET)
    problem(errno, "cannot send the answer \"" + printable(frame.kind) +
                       "\": the client does not read, connection closed");
  return false;
}

Result<ControlServer> ControlServer::open(const std::string& path, const std::string& group,
                                          Handlers handlers) {
  auto listener = Listener::open(path, group);
  if (!listener) return tl::unexpected(listener.error());
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno(errno, "cannot make an epoll descriptor");
  auto state = std::make_unique<State>(std::move(*listener), std::move(epoll), std::move(handlers));
  if (!state->watch(state->listener.fd())) return fail_errno(errno, "cannot watch " + path);
  return ControlServer(std::move(state));
}

ControlServer::ControlServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
ControlServer::ControlServer(ControlServer&&) noexcept = default;
ControlServer& ControlServer::operator=(ControlServer&&) noexcept = default;
ControlServer::~ControlServer() = default;

int ControlServer::fd() const { return state_->epoll.get(); }

void ControlServer::serve() {
  state_->hear_again();
  std::array<epoll_event, max_connections + 1> events;
  const int ready = ::epoll_wait(state_->epoll.get(), events.data(), events.size(), 0);
  bool accept = false;
  for (int i = 0; i < ready; ++i) {
    if (events[i].data.fd == state_->listener.fd()) accept = true;
    else state_->receive(events[i].data.fd);
  }
  if (accept) state_->accept_all();
}

}  // namespace vpowercap
