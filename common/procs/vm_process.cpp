// SPDX-License-Identifier: Apache-2.0
// Sampling of a process's threads through kept descriptors.
#include "common/procs/vm_process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "common/base/file.hpp"
#include "common/base/unique_fd.hpp"
#include "common/base/utf8.hpp"
#include "common/procs/process_files.hpp"
#include "common/procs/stat_line.hpp"

namespace vpowercap {
namespace {

/// A thread with its files. On procfs an open file stays with its thread: when that has ended, reads
/// fail with ESRCH, also when another thread has got its TID since.
struct Thread {
  UniqueFd schedstat;
  UniqueFd stat;
  std::optional<ThreadWork> last;
  bool troubled = false;
};

std::optional<std::int64_t> parse_tid(std::string_view name) {
  std::int64_t tid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), tid);
  if (error != std::errc() || end != name.data() + name.size() || tid <= 0) return std::nullopt;
  return tid;
}

/// A pidfd of the process whose /proc directory is `process`; none when it cannot be shown to be that
/// one. `proc_root`/self/fdinfo tells the PID in the namespace of that procfs, and that `process` still
/// answers afterwards shows that the PID has not changed hands.
UniqueFd open_exit_fd(const std::string& proc_root, int process, const std::string& directory,
                      std::int64_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
  if (!fd) return {};
  const auto info =
      read_file_at(AT_FDCWD, proc_root + "/self/fdinfo/" + std::to_string(fd.get()), 4096);
  if (!info || info->find("\nPid:\t" + std::to_string(pid) + "\n") == std::string::npos) return {};
  if (!start_ticks_at(process, directory)) return {};
  return fd;
}

}  // namespace

struct VmProcess::State {
  std::string directory;  // for messages
  UniqueFd process_stat;  // of the whole process
  UniqueFd exit_event;
  std::uint64_t next_serial = 0;
  std::unique_ptr<DIR, int (*)(DIR*)> tasks{nullptr, &::closedir};
  std::map<std::int64_t, Thread> threads;
  std::uint64_t ended_ns = 0;
  bool is_cut = false;
  std::vector<Error> problems;

  [[nodiscard]] std::string path(std::int64_t tid, std::string_view file) const {
    return directory + "/task/" + std::to_string(tid) + "/" + std::string(file);
  }
  [[nodiscard]] Error gone() const { return {ESRCH, "process " + directory + " has ended"}; }

  Result<std::vector<std::int64_t>> list();
  Result<UniqueFd> open(std::int64_t tid, const char* file) const;
  Result<void> open_files(std::int64_t tid, Thread& thread) const;
  Result<ThreadWork> read(std::int64_t tid, Thread& thread);
  /// Opens what is not open and reads. Errors: ESRCH when the thread has ended.
  Result<ThreadWork> visit(std::int64_t tid, Thread& thread);
  [[nodiscard]] bool is_zombie() const;
  void retire(Thread& thread);
  std::optional<ThreadWork> settle(std::int64_t tid, Thread& thread, Result<ThreadWork> work);
};

Result<std::vector<std::int64_t>> VmProcess::State::list() {
  std::vector<std::int64_t> tids;
  ::rewinddir(tasks.get());
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(tasks.get());
    if (entry == nullptr) break;
    if (const auto tid = parse_tid(entry->d_name)) tids.push_back(*tid);
  }
  if (errno != 0 && !has_ended(errno)) return fail_errno(errno, "cannot list " + directory + "/task");
  if (errno != 0 || tids.empty()) return tl::unexpected(gone());
  std::sort(tids.begin(), tids.end());
  return tids;
}

Result<UniqueFd> VmProcess::State::open(std::int64_t tid, const char* file) const {
  const int task = ::dirfd(tasks.get());
  auto fd = open_at(task, std::to_string(tid) + "/" + file, O_RDONLY);
  if (fd) return fd;
  const int code = fd.error().code;
  // Without schedstat in the kernel a thread that lives must not pass as one that has ended.
  const bool lives = ::faccessat(task, std::to_string(tid).c_str(), F_OK, 0) == 0;
  if (has_ended(code) && !lives) return fail(ESRCH, path(tid, file) + " is gone");
  return fail_errno(code == ESRCH ? ENOENT : code, "cannot open " + path(tid, file));
}

Result<void> VmProcess::State::open_files(std::int64_t tid, Thread& thread) const {
  auto schedstat = open(tid, "schedstat");
  if (!schedstat) return tl::unexpected(schedstat.error());
  auto stat = open(tid, "stat");
  if (!stat) return tl::unexpected(stat.error());
  thread.schedstat = std::move(*schedstat);
  thread.stat = std::move(*stat);
  return {};
}

Result<ThreadWork> VmProcess::State::read(std::int64_t tid, Thread& thread) {
  std::array<char, proc_line_bytes> buffer;
  const auto schedstat = pread_line(thread.schedstat.get(), buffer);
  if (!schedstat)
    return fail(schedstat.error().code, path(tid, "schedstat") + ": " + schedstat.error().message);
  if (!schedstat->ends_with('\n'))
    return fail(EPROTO, path(tid, "schedstat") + " holds \"" + printable(*schedstat) +
                            "\", which is no whole line");
  const auto run_ns = parse_u64(schedstat->substr(0, schedstat->find_first_of(" \n")));
  if (!run_ns) return fail(EPROTO, path(tid, "schedstat") + " " + run_ns.error().message);

  // A thread that has not run since is where it was: reading its stat would cost four times as much.
  if (thread.last && thread.last->run_ns == *run_ns) return *thread.last;

  const auto text = pread_line(thread.stat.get(), buffer);
  if (!text) return fail(text.error().code, path(tid, "stat") + ": " + text.error().message);
  const auto line = StatLine::parse(*text);
  if (!line) return fail(EPROTO, path(tid, "stat") + " " + line.error().message);
  const auto cpu = line->field(39);
  if (!cpu) return fail(EPROTO, path(tid, "stat") + " " + cpu.error().message);
  if (*cpu > std::numeric_limits<std::uint32_t>::max())
    return fail(EPROTO, path(tid, "stat") + " field 39 is no CPU number");
  const auto started = line->field(22);
  if (!started) return fail(EPROTO, path(tid, "stat") + " " + started.error().message);
  if (thread.last && thread.last->start_ticks != *started)
    return fail(ESRCH, path(tid, "stat") + " is another thread's");
  const auto serial = thread.last ? thread.last->serial : ++next_serial;
  return ThreadWork{tid,     vcpu_of(line->comm()), *run_ns, static_cast<std::uint32_t>(*cpu), serial,
                    *started};
}

bool VmProcess::State::is_zombie() const {
  std::array<char, proc_line_bytes> buffer;
  const auto text = pread_line(process_stat.get(), buffer);
  if (!text) return has_ended(text.error().code);
  const auto end = text->rfind(") ");
  if (end == std::string_view::npos || end + 2 >= text->size()) return false;
  return (*text)[end + 2] == 'Z' || (*text)[end + 2] == 'X';
}

Result<ThreadWork> VmProcess::State::visit(std::int64_t tid, Thread& thread) {
  if (!thread.schedstat) {
    const auto opened = open_files(tid, thread);
    if (!opened) return tl::unexpected(opened.error());
  }
  return read(tid, thread);
}

void VmProcess::State::retire(Thread& thread) {
  if (thread.last) ended_ns += thread.last->run_ns;
  thread = Thread{};
}

std::optional<ThreadWork> VmProcess::State::settle(std::int64_t tid, Thread& thread,
                                                   Result<ThreadWork> work) {
  if (!work && work.error().code == ESRCH) {
    // Ended; but it was listed, so its TID may have gone to a new thread. One that started when this
    // one did is this one, and so may be one that cannot be read at all, until it is no longer listed:
    // what it did until now must not count twice.
    Thread before = std::exchange(thread, {});
    work = visit(tid, thread);
    if (!work || (before.last && before.last->start_ticks == work->start_ticks)) {
      thread.last = before.last;
      if (work) work->serial = before.last->serial;
    } else {
      retire(before);
    }
    if (!work && work.error().code == ESRCH) return thread.last;
  }
  if (!work) {
    if (!thread.troubled) problems.push_back(work.error());
    thread.troubled = is_cut = true;
    return thread.last;
  }
  thread.troubled = false;
  if (thread.last) work->run_ns = std::max(work->run_ns, thread.last->run_ns);
  thread.last = *work;
  return thread.last;
}

VmProcess::VmProcess(std::unique_ptr<State> state) : state_(std::move(state)) {}
VmProcess::VmProcess(VmProcess&&) noexcept = default;
VmProcess& VmProcess::operator=(VmProcess&&) noexcept = default;
VmProcess::~VmProcess() = default;

Result<VmProcess> VmProcess::open(const std::string& proc_root, std::int64_t pid,
                                  std::uint64_t start_ticks) {
  auto state = std::make_unique<State>();
  state->directory = process_directory(proc_root, pid);
  const auto process = open_at(AT_FDCWD, state->directory, O_RDONLY | O_DIRECTORY);
  if (!process && has_ended(process.error().code))
    return fail(ESRCH, "there is no process " + state->directory);
  if (!process) return tl::unexpected(process.error());
  // Both below the one descriptor: it cannot change to another process in between.
  const auto started = start_ticks_at(process->get(), state->directory);
  if (!started) return tl::unexpected(started.error());
  if (*started != start_ticks)
    return fail(ESRCH, "process " + state->directory + " started at tick " + std::to_string(*started) +
                           ", not " + std::to_string(start_ticks) + ": its PID was reused");
  auto stat = open_at(process->get(), "stat", O_RDONLY);
  if (!stat && has_ended(stat.error().code)) return tl::unexpected(state->gone());
  if (!stat) return fail_errno(stat.error().code, "cannot open " + state->directory + "/stat");
  state->process_stat = std::move(*stat);
  state->exit_event = open_exit_fd(proc_root, process->get(), state->directory, pid);
  auto task = open_at(process->get(), "task", O_RDONLY | O_DIRECTORY);
  if (!task && has_ended(task.error().code)) return tl::unexpected(state->gone());
  if (!task) return fail_errno(task.error().code, "cannot open " + state->directory + "/task");
  state->tasks.reset(::fdopendir(task->get()));
  if (!state->tasks) return fail_errno(errno, "cannot list " + state->directory + "/task");
  task->release();
  return VmProcess(std::move(state));
}

Result<std::vector<ThreadWork>> VmProcess::sample() {
  const auto tids = state_->list();
  if (!tids) return tl::unexpected(tids.error());
  // A leader that has ended is listed until it is reaped, and it is then the only one.
  if (tids->size() == 1 && state_->is_zombie()) return tl::unexpected(state_->gone());
  for (auto at = state_->threads.begin(); at != state_->threads.end();) {
    const bool listed = std::binary_search(tids->begin(), tids->end(), at->first);
    if (!listed) state_->retire(at->second);
    at = listed ? std::next(at) : state_->threads.erase(at);
  }
  state_->is_cut = false;
  std::vector<ThreadWork> all;
  all.reserve(tids->size());
  for (const std::int64_t tid : *tids) {
    Thread& thread = state_->threads[tid];
    if (const auto work = state_->settle(tid, thread, state_->visit(tid, thread))) all.push_back(*work);
  }
  return all;
}

Result<std::uint64_t> VmProcess::total_ns() const {
  std::array<char, proc_line_bytes> buffer;
  const std::string path = state_->directory + "/stat";
  const auto text = pread_line(state_->process_stat.get(), buffer);
  if (!text && has_ended(text.error().code)) return tl::unexpected(state_->gone());
  if (!text) return fail(text.error().code, path + ": " + text.error().message);
  const auto line = StatLine::parse(*text);
  if (!line) return fail(EPROTO, path + " " + line.error().message);
  const auto user = line->field(14);
  if (!user) return fail(EPROTO, path + " " + user.error().message);
  const auto system = line->field(15);
  if (!system) return fail(EPROTO, path + " " + system.error().message);
  static const auto tick_ns = static_cast<std::uint64_t>(1'000'000'000 / ::sysconf(_SC_CLK_TCK));
  std::uint64_t ns = 0;
  if (__builtin_add_overflow(*user, *system, &ns) || __builtin_mul_overflow(ns, tick_ns, &ns))
    return fail(EPROTO, path + " holds more time than can be counted");
  return ns;
}

int VmProcess::exit_fd() const { return state_->exit_event.get(); }

bool VmProcess::is_cut() const { return state_->is_cut; }

std::uint64_t VmProcess::ended_ns() const { return state_->ended_ns; }

std::vector<Error> VmProcess::take_problems() { return std::exchange(state_->problems, {}); }

}  // namespace vpowercap
