// SPDX-License-Identifier: Apache-2.0
// The loop that reads requests, on a libfuse session without a mount of its own.
#include "fuse-fs/session/serve.hpp"

#include <linux/fuse.h>
#include <sys/mman.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "fuse-fs/session/operations.hpp"

namespace vpowercap {
namespace {

/// Room for max_write of operations.cpp and any header. The kernel refuses reads with less.
constexpr std::size_t buffer_size = 65536;

/// Where a thread receives its requests. Faulted in beforehand: a fault while the kernel copies a
/// request into a dying server would cost its sender an EIO. A thread has one request at a time, so
/// this is also what a successor would have to answer again, once buffers are shared with it.
class RequestSlot {
 public:
  RequestSlot()
      : memory_(::mmap(nullptr, memory_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)) {
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~RequestSlot() { ::munmap(memory_, memory_size); }
  RequestSlot(const RequestSlot&) = delete;
  RequestSlot& operator=(const RequestSlot&) = delete;
  [[nodiscard]] void* data() const { return memory_; }
  /// Ends a name that is the last thing in a request of `size` bytes.
  void end_at(std::size_t size) const { static_cast<char*>(memory_)[size] = '\0'; }

 private:
  static constexpr std::size_t memory_size = buffer_size + 4096;
  void* memory_;
};

/// Receives and answers one request. False once the file system is unmounted, an error code where
/// reading fails for another reason.
Result<bool> serve_one(fuse_session* session, const RequestSlot& slot) {
  const auto size = ::read(fuse_session_fd(session), slot.data(), buffer_size);
  if (size < 0) {
    // ENOENT: the sender gave up between our waking and reading.
    if (errno == EINTR || errno == EAGAIN || errno == ENOENT) return true;
    if (errno == ENODEV || errno == ECONNABORTED) return false;
    return fail_errno(errno, "cannot read requests from /dev/fuse");
  }
  // libfuse looks at neither the size nor the end of a name; what lies behind is an older request.
  if (static_cast<std::size_t>(size) < sizeof(fuse_in_header))
    return fail(EIO, "a request without a whole header");
  slot.end_at(static_cast<std::size_t>(size));
  fuse_buf buffer{};
  buffer.size = static_cast<std::size_t>(size);
  buffer.mem = slot.data();
  fuse_session_process_buf(session, &buffer);
  return fuse_session_exited(session) == 0;
}

}  // namespace

Result<void> serve(UniqueFd fuse_fd, const Filesystem& filesystem, unsigned threads) {
  char name[] = "vpowercap-fs";
  char* argv[] = {name, nullptr};
  fuse_args arguments = FUSE_ARGS_INIT(1, argv);
  Snapshots snapshots(static_cast<std::uint64_t>(SystemClock().now().count()));
  SessionData data{filesystem, snapshots};
  const auto& operations = fuse_operations();
  const std::unique_ptr<fuse_session, decltype(&fuse_session_destroy)> session(
      fuse_session_new(&arguments, &operations, sizeof operations, &data), &fuse_session_destroy);
  fuse_opt_free_args(&arguments);
  if (!session) return fail(EIO, "libfuse makes no session");
  const auto path = "/dev/fd/" + std::to_string(fuse_fd.get());
  if (fuse_session_mount(session.get(), path.c_str()) != 0)
    return fail(EIO, "libfuse does not take the descriptor " + path);
  fuse_fd.release();  // the session closes it

  std::vector<std::unique_ptr<RequestSlot>> slots;
  for (unsigned i = 0; i < std::max(threads, 1u); ++i) slots.push_back(std::make_unique<RequestSlot>());
  // The first request is INIT, before which the kernel sends no other. (A successor on the same
  // descriptor would be given the recorded INIT here instead.)
  auto first = serve_one(session.get(), *slots.front());
  if (!first) return tl::unexpected(first.error());

  std::atomic<int> code = 0;
  const auto work = [&](const RequestSlot& slot) {
    for (auto more = Result<bool>(true); more && *more;) {
      more = serve_one(session.get(), slot);
      if (!more) code = more.error().code;
    }
  };
  std::vector<std::jthread> workers;
  for (std::size_t i = 1; i < slots.size() && *first; ++i)
    workers.emplace_back([&work, &slot = *slots[i]] { work(slot); });
  if (*first) work(*slots.front());
  workers.clear();
  if (code != 0) return fail_errno(code, "cannot read requests from /dev/fuse");
  return {};
}

}  // namespace vpowercap
