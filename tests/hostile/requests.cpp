// SPDX-License-Identifier: Apache-2.0
// Making random FUSE requests.
#include "tests/hostile/requests.hpp"

#include <array>
#include <cstring>
#include <limits>

namespace vpowercap::testing {
namespace {

template <typename Message>
std::string bytes_of(const Message& message) {
  std::string bytes(sizeof message, '\0');
  std::memcpy(bytes.data(), &message, sizeof message);
  return bytes;
}

constexpr std::uint32_t last_opcode = 60;  // some beyond those that exist
constexpr std::uint32_t unknown_opcode = 0x7fffffff;

/// How many bytes stand before the name (or names) of a request.
std::size_t bytes_before_name(std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_MKNOD: return sizeof(fuse_mknod_in);
    case FUSE_MKDIR: return sizeof(fuse_mkdir_in);
    case FUSE_RENAME: return sizeof(fuse_rename_in);
    case FUSE_RENAME2: return sizeof(fuse_rename2_in);
    case FUSE_LINK: return sizeof(fuse_link_in);
    case FUSE_CREATE: return sizeof(fuse_create_in);
    case FUSE_SETXATTR: return sizeof(fuse_setxattr_in);
    case FUSE_GETXATTR: return sizeof(fuse_getxattr_in);
    default: return 0;
  }
}

bool has_name(std::uint32_t opcode) {
  switch (opcode) {
    case FUSE_LOOKUP:
    case FUSE_SYMLINK:
    case FUSE_UNLINK:
    case FUSE_RMDIR:
    case FUSE_REMOVEXATTR: return true;
    default: return bytes_before_name(opcode) != 0;
  }
}

bool is_read(std::uint32_t opcode) {
  return opcode == FUSE_READ || opcode == FUSE_READDIR || opcode == FUSE_READDIRPLUS;
}

}  // namespace

std::string Request::bytes() const { return bytes_of(header) + body; }

Request request(std::uint32_t opcode, std::uint64_t unique, std::uint64_t node, std::string body) {
  Request made;
  made.body = std::move(body);
  made.header.len = static_cast<std::uint32_t>(sizeof made.header + made.body.size());
  made.header.opcode = opcode;
  made.header.unique = unique;
  made.header.nodeid = node;
  return made;
}

std::string read_body(std::uint64_t offset, std::uint32_t size) {
  fuse_read_in message{};
  message.offset = offset;
  message.size = size;
  return bytes_of(message);
}

std::string init_body() {
  fuse_init_in message{};
  message.major = FUSE_KERNEL_VERSION;
  message.minor = FUSE_KERNEL_MINOR_VERSION;
  message.max_readahead = 1 << 17;
  message.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS | FUSE_PARALLEL_DIROPS;
  return bytes_of(message);
}

bool is_unanswered(std::uint32_t opcode) {
  return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_NOTIFY_REPLY;
}

std::uint32_t RequestMaker::opcode() {
  if (below(200) == 0) return unknown_opcode;
  // Half are those that our server answers with data.
  constexpr auto served = std::to_array<std::uint32_t>(
      {FUSE_LOOKUP, FUSE_GETATTR, FUSE_READLINK, FUSE_OPEN, FUSE_READ, FUSE_READDIR, FUSE_READDIRPLUS});
  if (below(2) == 0) return served[below(served.size())];
  for (;;) {
    const auto chosen = static_cast<std::uint32_t>(below(last_opcode + 1));
    if (chosen != FUSE_INIT && chosen != FUSE_DESTROY) return chosen;
  }
}

std::uint64_t RequestMaker::node() {
  if (below(2) == 0) return nodes_[below(nodes_.size())];
  switch (below(4)) {
    case 0: return below(70000);  // the root, 0, and numbers below all of ours
    case 1: return (nodes_[below(nodes_.size())] & ~std::uint64_t{0xffff}) | below(0x10000);
    case 2: return nodes_[below(nodes_.size())] ^ (std::uint64_t{1} << below(64));
    default: return random_();
  }
}

std::uint64_t RequestMaker::number() {
  constexpr auto edges = std::to_array<std::uint64_t>(
      {0, 1, 2, 4095, 4096, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
       0x8000000000000000, std::numeric_limits<std::uint64_t>::max()});
  return below(3) == 0 ? random_() : edges[below(edges.size())] + below(2);
}

std::string RequestMaker::noise(std::size_t size) {
  std::string bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random_());
  return bytes;
}

std::string RequestMaker::name() {
  constexpr auto known = std::to_array<std::string_view>(
      {"intel-rapl", "intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0", "intel-rapl:ffffffff",
       "energy_uj", "name", "enabled", "power", "subsystem", "device", "control",
       "c7a5fdbd-edaf-9455-926a-d65c16db1809", "00000000-0000-4000-8000-000000000001",
       "ffffffff-ffff-ffff-ffff-ffffffffffff", "C7A5FDBD-EDAF-9455-926A-D65C16DB1809"});
  constexpr auto odd = std::to_array<std::string_view>(
      {"", ".", "..", "/", "../..", "intel-rapl/intel-rapl:0", "%s%n%x", "intel-rapl:-1",
       "intel-rapl:00000000000000000", "\n", "\xff\xfe", "c7a5fdbd-edaf-9455-926a-d65c16db180"});
  switch (below(6)) {
    case 0: return std::string(odd[below(odd.size())]);
    case 1: return noise(below(300));
    case 2: return std::string(below(2) == 0 ? 255 : 4096, static_cast<char>(random_()));
    case 3: return std::string(known[below(known.size())]) + '\0' + noise(below(8));
    default: return std::string(known[below(known.size())]);
  }
}

std::string RequestMaker::body(std::uint32_t opcode, Request& made) {
  if (is_read(opcode)) {
    made.asked_size = static_cast<std::uint32_t>(number());
    return read_body(number(), made.asked_size);
  }
  if (has_name(opcode)) {
    auto text = noise(bytes_before_name(opcode)) + name() + '\0';
    if (below(2) == 0) text += name() + '\0';
    return text;
  }
  if (opcode == FUSE_OPEN && below(2) == 0) return bytes_of(fuse_open_in{});
  std::string text;  // the longest structure has 16 words
  for (int word = 0; word < 16; ++word) text += bytes_of(number());
  return text;
}

Request RequestMaker::next(std::uint64_t unique) {
  Request details;
  const auto chosen = opcode();
  auto text = body(chosen, details);
  // Cut short, whatever is missing then is left over from an older request: not what was asked for.
  if (below(20) == 0) {
    text.resize(below(text.size() + 1));
    details.asked_size = std::numeric_limits<std::uint32_t>::max();
  }
  auto made = request(chosen, unique, node(), std::move(text));
  made.asked_size = details.asked_size;
  made.header.uid = static_cast<std::uint32_t>(number());
  made.header.gid = static_cast<std::uint32_t>(number());
  made.header.pid = static_cast<std::uint32_t>(number());
  return made;
}

}  // namespace vpowercap::testing
