// SPDX-License-Identifier: Apache-2.0
// Reading and sending that never wait for longer than told.
#include "libvirt-hooks/qemu_hook/talk.hpp"

#include <poll.h>
#include <syslog.h>

#include <algorithm>
#include <array>

#include "common/base/unique_fd.hpp"
#include "common/wire/unix_address.hpp"

namespace vpowercap {
namespace {

Result<UniqueFd> connect_now(const std::string& path, int type) {
  const auto address = unix_address(path);
  if (!address) return tl::unexpected(address.error());
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd || ::connect(fd.get(), as_sockaddr(*address), sizeof *address) != 0)
    return fail_errno(errno, "cannot connect to " + path);
  return fd;
}

/// The bytes of the frame, if need be without its longest part.
Result<std::string> encode_shortened(Frame& frame) {
  auto bytes = encode(frame);
  if (!bytes && frame.fields.erase("xml") > 0) bytes = encode(frame);
  return bytes;
}

}  // namespace

std::string read_until(int fd, std::size_t limit, Deadline deadline, std::string_view mark) {
  using std::chrono::milliseconds;
  std::string input;
  std::array<char, 65536> chunk;
  while (input.size() < limit) {
    const auto left = std::max(deadline - std::chrono::steady_clock::now(), Deadline::duration::zero());
    const auto wait = std::chrono::duration_cast<milliseconds>(left).count();
    pollfd ready{fd, POLLIN, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(wait));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    if ((ready.revents & (POLLIN | POLLHUP)) == 0) break;
    const ssize_t got = ::read(fd, chunk.data(), std::min(chunk.size(), limit - input.size()));
    if (got <= 0) break;
    input.append(chunk.data(), static_cast<std::size_t>(got));
    if (!mark.empty() && input.find(mark) != std::string::npos) break;
  }
  return input;
}

Result<void> tell_daemon(const std::string& path, Frame frame) {
  auto bytes = encode_shortened(frame);
  if (!bytes) return tl::unexpected(bytes.error());
  const auto fd = connect_now(path, SOCK_SEQPACKET);
  if (!fd) return tl::unexpected(fd.error());
  constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  if (::send(fd->get(), bytes->data(), bytes->size(), flags) >= 0) return {};
  // A small send buffer of the system, net.core.wmem_default: the XML is a hint the daemon can miss.
  if (errno == EMSGSIZE && frame.fields.erase("xml") > 0) {
    bytes = encode(frame);
    if (bytes && ::send(fd->get(), bytes->data(), bytes->size(), flags) >= 0) return {};
  }
  return fail_errno(errno, "cannot send to " + path);
}

void log_line(std::string_view message) {
  const auto fd = connect_now("/dev/log", SOCK_DGRAM);  // syslog(3) would wait for a slow logger
  if (!fd) return;
  std::string line = "<" + std::to_string(LOG_DAEMON | LOG_WARNING) + ">vpowercap-qemu-hook: ";
  line += message;
  [[maybe_unused]] const auto sent =
      ::send(fd->get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace vpowercap
