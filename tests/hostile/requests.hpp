// SPDX-License-Identifier: Apache-2.0
// Random FUSE requests, as a hostile guest can have its host's kernel make them, and worse.
#pragma once

#include <linux/fuse.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace vpowercap::testing {

/// One message for the server.
struct Request {
  fuse_in_header header{};
  std::string body;
  std::uint32_t asked_size = 0;  ///< of READ, READDIR, READDIRPLUS: most bytes wanted

  [[nodiscard]] std::string bytes() const;
};

/// A request that is valid; its length is set by this.
Request request(std::uint32_t opcode, std::uint64_t unique, std::uint64_t node, std::string body);
/// The body of a READ, READDIR or READDIRPLUS.
std::string read_body(std::uint64_t offset, std::uint32_t size);
/// The body of an INIT of the protocol's present version.
std::string init_body();

/// Whether the protocol has no reply to that opcode (FORGET, BATCH_FORGET, NOTIFY_REPLY).
bool is_unanswered(std::uint32_t opcode);

/// Makes requests from a seed: the same seed, the same requests.
class RequestMaker {
 public:
  /// `nodes`: inode numbers that mean something, for one request in two.
  RequestMaker(std::uint64_t seed, std::vector<std::uint64_t> nodes)
      : random_(seed), nodes_(std::move(nodes)) {}

  /// Any opcode but those that end or restart the session (INIT, DESTROY, CUSE_INIT), which no user of
  /// a mount can cause, with a body of its shape, a part of it, or noise.
  Request next(std::uint64_t unique);

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  std::uint32_t opcode();
  std::uint64_t node();
  std::uint64_t number();
  std::string name();
  std::string noise(std::size_t size);
  std::string body(std::uint32_t opcode, Request& made);

  std::mt19937_64 random_;
  std::vector<std::uint64_t> nodes_;
};

}  // namespace vpowercap::testing
