// SPDX-License-Identifier: Apache-2.0
// Attempts to have the kernel copy out of the tree and into it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <array>

#include "tests/hostile/attack.hpp"

namespace vpowercap::testing {
namespace {

constexpr std::size_t most_bytes = 9000;

off64_t* offset_or_none(Attack& attack, off64_t& place) {
  place = static_cast<off64_t>(attack.number());
  return attack.chance(2) ? &place : nullptr;
}

/// A file outside, and one of the tree; each copied to the other.
void with_file(Attack& attack) {
  const int outside = ::memfd_create("outside", MFD_CLOEXEC);
  const int inside = attack.open_known();
  if (inside >= 0 && ::write(outside, attack.buffer(), most_bytes) > 0) {
    ::lseek(outside, 0, SEEK_SET);
    off64_t place = 0;
    attack.note("copy_file_range", ::copy_file_range(inside, offset_or_none(attack, place), outside,
                                                     nullptr, attack.below(most_bytes), 0));
    ::lseek(outside, 0, SEEK_SET);
    // No bytes copied is no copy.
    const auto copied = ::copy_file_range(outside, nullptr, inside, offset_or_none(attack, place),
                                          1 + attack.below(most_bytes), 0);
    if (copied != 0) attack.note("copy_file_range into the tree", copied);
    attack.note("sendfile", ::sendfile(outside, inside, nullptr, attack.below(most_bytes)));
    ::lseek(outside, 0, SEEK_SET);
    attack.note("sendfile into the tree",
                ::sendfile(inside, outside, nullptr, 1 + attack.below(most_bytes)));
  }
  if (inside >= 0) ::close(inside);
  ::close(outside);
}

void with_pipe(Attack& attack) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK) != 0) ::_exit(2);
  const int inside = attack.open_known();
  if (inside >= 0) {
    off64_t place = 0;
    const auto flags = static_cast<unsigned>(attack.below(16)) | SPLICE_F_NONBLOCK;
    attack.note("splice", ::splice(inside, offset_or_none(attack, place), pipe[1], nullptr,
                                   attack.below(most_bytes), flags));
    if (::write(pipe[1], attack.buffer(), 100) > 0)
      attack.note("splice into the tree",
                  ::splice(pipe[0], nullptr, inside, offset_or_none(attack, place),
                           1 + attack.below(most_bytes), flags));
    attack.note("tee", ::tee(pipe[0], inside, 100, SPLICE_F_NONBLOCK));
    ::close(inside);
  }
  ::close(pipe[0]);
  ::close(pipe[1]);
}

constexpr Attempt all[] = {{"copies", with_file}, {"splices", with_pipe}};

}  // namespace

std::span<const Attempt> copy_attempts() { return all; }

}  // namespace vpowercap::testing
