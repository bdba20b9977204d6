// SPDX-License-Identifier: Apache-2.0
// In place of vpowercap-fs: a server that gets stuck with the first request of one kind,
// VPOWERCAP_STUCK_ON (an opcode of linux/fuse.h), and answers INIT as it should, all others with an
// error.
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "fuse-fs/journal/journal.hpp"

namespace {

using namespace vpowercap;

int number_after(int argc, char** argv, std::string_view option) {
  for (int i = 1; i + 1 < argc; ++i)
    if (argv[i] == option) return std::atoi(argv[i + 1]);
  return -1;
}

struct Answer {
  fuse_out_header header;
  fuse_init_out init;
};

void answer(int fuse, const fuse_in_header& request) {
  Answer answer{};
  answer.header.unique = request.unique;
  answer.header.len = request.opcode == FUSE_INIT ? sizeof answer : sizeof answer.header;
  if (request.opcode != FUSE_INIT) answer.header.error = -EIO;
  answer.init.major = FUSE_KERNEL_VERSION;
  answer.init.minor = 31;
  answer.init.max_write = 32768;
  (void)!::write(fuse, &answer, answer.header.len);
}

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const char* const stuck_on = std::getenv("VPOWERCAP_STUCK_ON");
  const auto opcode = static_cast<std::uint32_t>(stuck_on == nullptr ? 0 : std::atoi(stuck_on));
  const int fuse = number_after(argc, argv, "--fuse-fd");
  const auto journal = Journal::open(number_after(argc, argv, "--journal-fd"));
  if (!journal) return 1;
  for (unsigned next = 0;;) {
    const auto slot = journal->slot(next);
    const auto size = ::read(fuse, slot.buffer().data(), RequestSlot::buffer_size);
    if (size < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
    if (size < 0) return 0;
    slot.received(static_cast<std::size_t>(size));
    // It stays in the first slot, as with a thread that never comes back; the next request takes
    // another.
    if (next == 0 && slot.header().opcode == opcode) {
      next = 1;
      continue;
    }
    if (slot.header().opcode == FUSE_INIT) journal->record_init(slot.buffer().first(slot.header().len));
    answer(fuse, slot.header());
    slot.clear();
  }
}
