// SPDX-License-Identifier: Apache-2.0
// Choosing what to attempt, and with what.
#include "tests/hostile/attack.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace vpowercap::testing {
namespace {

const std::vector<Attempt>& attempts() {
  static const std::vector<Attempt> all = [] {
    std::vector<Attempt> found;
    for (const auto part : {file_attempts(), directory_attempts(), name_attempts(),
                            attribute_attempts(), copy_attempts(), waiting_attempts()})
      found.insert(found.end(), part.begin(), part.end());
    return found;
  }();
  return all;
}

std::size_t law_of(std::string_view call) {
  const auto all = laws();
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].call == call) return i;
  std::fprintf(stderr, "no law says how %.*s may end\n", static_cast<int>(call.size()), call.data());
  std::abort();
}

/// No part of the path leads up or away: what is attacked is the tree alone.
std::string kept_below(std::string path) {
  for (auto& byte : path)
    if (byte == '\0') byte = '_';
  if (path.front() == '/') path.front() = '_';
  for (auto at = path.find(".."); at != std::string::npos; at = path.find("..", at)) path[at] = '_';
  return path;
}

}  // namespace

Attack::Attack(std::string root, std::vector<std::string> known, std::uint64_t seed, Tally& tally,
               std::size_t process)
    : known_(std::move(known)),
      random_(seed),
      tally_(tally),
      process_(process),
      root_(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      buffer_(buffer_size) {
  if (root_ < 0 || known_.empty()) {
    std::perror(root.c_str());
    std::_Exit(2);
  }
  for (auto& byte : buffer_) byte = static_cast<char>(random_());
}

Attack::~Attack() { ::close(root_); }

void Attack::attempt() {
  const auto& chosen = attempts()[below(attempts().size())];
  mine().attempt = chosen.name;
  chosen.make(*this);
  mine().attempt = nullptr;
}

std::uint64_t Attack::number() {
  static constexpr std::uint64_t edges[] = {0,
                                            1,
                                            31,
                                            4095,
                                            4096,
                                            65536,
                                            std::numeric_limits<std::int32_t>::max(),
                                            std::numeric_limits<std::uint32_t>::max(),
                                            std::numeric_limits<std::int64_t>::max(),
                                            std::uint64_t{1} << 63,
                                            std::numeric_limits<std::uint64_t>::max()};
  switch (below(4)) {
    case 0: return random();
    case 1: return std::uint64_t{1} << below(64);
    case 2: return below(64);
    default: return one_of(edges);
  }
}

std::string Attack::odd() {
  static constexpr std::size_t lengths[] = {1, 16, 254, 255, 256, 1023, 4095, 4096};
  std::string name(chance(2) ? one_of(lengths) : 1 + below(300), '\0');
  const auto plain = chance(2);
  for (auto& byte : name) byte = static_cast<char>(plain ? 'a' + below(26) : below(256));
  name = kept_below(std::move(name));
  return chance(2) ? name : known() + "/" + name;
}

int Attack::open_known(int flags) {
  const auto& path = known();
  if (chance(4)) {
    const int fd = ::openat(root_, path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | flags);
    note("open", fd);
    if (fd >= 0) return fd;
  }
  const int fd = ::openat(root_, path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
  note("open", fd);
  return fd;
}

void Attack::note(std::string_view call, long result) { note_outcome(call, result < 0 ? errno : 0); }

void Attack::note_outcome(std::string_view call, int outcome) {
  ++tally_.outcomes[law_of(call)][static_cast<std::size_t>(outcome) % outcome_count];
  ++mine().calls;
}

}  // namespace vpowercap::testing
