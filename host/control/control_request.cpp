// SPDX-License-Identifier: Apache-2.0
// The client's side of the control socket.
#include <algorithm>
#include <chrono>

#include "common/base/unique_fd.hpp"
#include "common/wire/unix_address.hpp"
#include "host/control/control_server.hpp"

namespace vpowercap {
namespace {

using Deadline = std::chrono::steady_clock::time_point;

/// Lets the next call on `fd` wait until `deadline` and no longer.
void wait_until(int fd, Deadline deadline) {
  using std::chrono::microseconds;
  const auto left =
      std::chrono::duration_cast<microseconds>(deadline - std::chrono::steady_clock::now());
  const auto wait = std::max<microseconds::rep>(left.count(), 1);  // 0 would mean for ever
  const timeval value{wait / 1'000'000, wait % 1'000'000};
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value);
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value);
}

tl::unexpected<Error> request_failed(int code, const std::string& path) {
  if (code == EAGAIN || code == EINPROGRESS)
    return fail(ETIMEDOUT, "the daemon at " + path + " gave no answer within two seconds");
  if (code == ENOENT || code == ECONNREFUSED)
    return fail(code, "no daemon answers at " + path + ": is vpowercapd running?");
  return fail_errno(code, "cannot ask the daemon at " + path);
}

/// Calls again what a signal interrupted.
template <typename Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

Result<Frame> control_request(const std::string& path, const Frame& request) {
  const auto bytes = encode(request);
  if (!bytes) return tl::unexpected(bytes.error());
  const auto address = unix_address(path);
  if (!address) return tl::unexpected(address.error());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "cannot make a socket");
  const Deadline deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  wait_until(fd.get(), deadline);
  if (uninterrupted([&] { return ::connect(fd.get(), as_sockaddr(*address), sizeof *address); }) != 0)
    return request_failed(errno, path);
  wait_until(fd.get(), deadline);
  if (uninterrupted([&] { return ::send(fd.get(), bytes->data(), bytes->size(), MSG_NOSIGNAL); }) < 0)
    return request_failed(errno, path);
  wait_until(fd.get(), deadline);
  std::string answer(max_frame_size + 1, '\0');
  const auto got =
      uninterrupted([&] { return ::recv(fd.get(), answer.data(), answer.size(), MSG_TRUNC); });
  if (got < 0) return request_failed(errno, path);
  if (got == 0)
    return fail(EPROTO, "the daemon at " + path + " closed the connection without an answer");
  answer.resize(std::min(static_cast<std::size_t>(got), answer.size()));
  return decode(answer);
}

}  // namespace vpowercap
