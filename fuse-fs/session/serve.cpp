// SPDX-License-Identifier: Apache-2.0
// The loop that reads requests, on a libfuse session without a mount of its own.
#include "fuse-fs/session/serve.hpp"

#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "fuse-fs/session/operations.hpp"

namespace vpowercap {
namespace {

/// A successor that met this request for so many times gives up on it.
constexpr unsigned most_replays = 3;
/// FUSE_NOTIFY_RESEND of linux/fuse.h since Linux 6.9: all that was read and not answered comes again.
constexpr std::int32_t notify_resend = 7;
#ifdef VPOWERCAP_WITHOUT_RESEND
constexpr bool asks_for_resend = false;  // a test's build: what older kernels leave
#else
constexpr bool asks_for_resend = true;
#endif

using Session = std::unique_ptr<fuse_session, decltype(&fuse_session_destroy)>;

Result<Session> open_session(UniqueFd fuse_fd, SessionData& data) {
  char name[] = "vpowercap-fs";
  char* argv[] = {name, nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(1, argv);
  const auto& operations = fuse_operations();
  Session session(fuse_session_new(&arguments, &operations, sizeof operations, &data),
                  &fuse_session_destroy);
  fuse_opt_free_args(&arguments);
  if (!session) return fail(EIO, "libfuse makes no session");
  const auto path = "/dev/fd/" + std::to_string(fuse_fd.get());
  if (fuse_session_mount(session.get(), path.c_str()) != 0)
    return fail(EIO, "libfuse does not take the descriptor " + path);
  fuse_fd.release();  // the session closes it
  return session;
}

/// Waits for a request; when there was none after all the slot is not occupied. False once the file
/// system is unmounted, an error where reading fails for another reason.
Result<bool> receive(fuse_session* session, const RequestSlot& slot) {
  const auto size = ::read(fuse_session_fd(session), slot.buffer().data(), RequestSlot::buffer_size);
  if (size < 0) {
    // ENOENT: the sender gave up between our waking and reading.
    if (errno == EINTR || errno == EAGAIN || errno == ENOENT) return true;
    if (errno == ENODEV || errno == ECONNABORTED) return false;
    return fail_errno(errno, "cannot read requests from /dev/fuse");
  }
  // libfuse looks at neither the size nor the end of a name; what lies behind is an older request.
  if (static_cast<std::size_t>(size) < sizeof(fuse_in_header))
    return fail(EIO, "a request without a whole header");
  slot.received(static_cast<std::size_t>(size));
  return true;
}

void answer(fuse_session* session, const RequestSlot& slot) {
  if (slot.occupied()) {
    slot.received(slot.header().len);  // one cut off may lack its end
    answer_request(session, slot);
  }
  slot.clear();
}

/// INIT comes once, before all others. A predecessor has recorded it, or left it where it received it,
/// or got none.
Result<bool> initialise(fuse_session* session, const Journal& journal) {
  if (journal.init().empty()) {
    const auto slot = journal.slot(0);
    while (!slot.occupied())
      if (const auto more = receive(session, slot); !more || !*more) return more;
    if (slot.header().opcode != FUSE_INIT)
      return fail(EPROTO, "the connection does not begin with INIT");
    journal.record_init(slot.buffer().first(slot.header().len));
  }
  fuse_buf buffer{};
  buffer.size = journal.init().size();
  buffer.mem = journal.init().data();
  fuse_session_process_buf(session, &buffer);
  return true;
}

void refuse(fuse_session* session, const RequestSlot& slot) {
  const fuse_out_header refusal{sizeof refusal, -EIO, slot.header().unique};
  // Nobody to tell when the sender is gone.
  (void)!::write(fuse_session_fd(session), &refusal, sizeof refusal);
  slot.clear();
}

/// Answers what a predecessor left. Where the kernel can send again what it has not been answered, it
/// is asked to: that covers what was on its way when the predecessor died.
void take_over(fuse_session* session, const Journal& journal, bool suspects_requests) {
  for (unsigned i = 0; i < journal.slot_count(); ++i) {
    const auto slot = journal.slot(i);
    if (slot.occupied() && slot.header().opcode == FUSE_INIT) slot.clear();
    else if (slot.occupied() && suspects_requests && slot.count_replay() > most_replays)
      refuse(session, slot);
    else answer(session, slot);
  }
  if constexpr (!asks_for_resend) return;
  const fuse_out_header resend{sizeof resend, notify_resend, 0};
  (void)!::write(fuse_session_fd(session), &resend, sizeof resend);  // EINVAL before Linux 6.9
}

}  // namespace

Result<void> serve(UniqueFd fuse_fd, const Journal& journal, const Filesystem& filesystem,
                   bool suspects_requests) {
  static_assert(Snapshots::Words::extent == Journal::word_count);
  Snapshots snapshots(journal.words(), static_cast<std::uint64_t>(SystemClock().now().count()));
  SessionData data{filesystem, snapshots};
  const bool succeeds = !journal.init().empty() || journal.slot(0).occupied();
  const auto session = open_session(std::move(fuse_fd), data);
  if (!session) return tl::unexpected(session.error());
  if (const auto begun = initialise(session->get(), journal); !begun || !*begun)
    return begun ? Result<void>() : tl::unexpected(begun.error());
  if (succeeds) take_over(session->get(), journal, suspects_requests);

  std::atomic<int> code = 0;
  const auto work = [&](const RequestSlot& slot) {
    while (fuse_session_exited(session->get()) == 0) {
      slot.clear();
      const auto received = receive(session->get(), slot);
      if (!received) code = received.error().code;
      if (!received || !*received) return;
      answer(session->get(), slot);
    }
  };
  {
    std::vector<std::jthread> workers;
    for (unsigned i = 1; i < journal.slot_count(); ++i)
      workers.emplace_back([&work, slot = journal.slot(i)] { work(slot); });
    work(journal.slot(0));
  }
  if (code != 0) return fail_errno(code, "cannot read requests from /dev/fuse");
  return {};
}

}  // namespace vpowercap
