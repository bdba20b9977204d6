// SPDX-License-Identifier: Apache-2.0
// Starting, watching and replacing the server; binding trees; forgetting VMs.
#include "fuse-fs/mount/keeper.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "common/share/request_timeouts.hpp"
#include "fuse-fs/journal/journal.hpp"
#include "fuse-fs/mount/fd_store.hpp"
#include "fuse-fs/mount/in_use.hpp"
#include "fuse-fs/tree/vm_tree.hpp"

namespace vpowercap {
namespace {

constexpr Nanoseconds first_back_off = std::chrono::milliseconds(100);
/// Between two tries to make a mount.
constexpr Nanoseconds mount_retry = std::chrono::seconds(5);
/// Asked within `hung_after`. The server has the rest of that time to answer one: no reader waits for
/// longer than the whole, whenever the server stopped.
constexpr int questions = 5;
/// Servers in a row that answer nothing.
constexpr unsigned most_hung = 3;
/// Servers in a row that end by themselves and answer nothing, with growing waits between: more than a
/// few requests can be to blame for. With the usual back-off that is 20 s.
constexpr unsigned most_ended = 10;
/// A server that lived this long was not one that dies at once.
constexpr Nanoseconds proven_after = std::chrono::seconds(10);

/// VMs with a directory in the share.
Result<std::vector<Uuid>> list_directories(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(path.c_str()), &::closedir);
  if (!stream) return fail_errno(errno, "cannot list " + path);
  std::vector<Uuid> found;
  while (const dirent* entry = ::readdir(stream.get()))
    if (const auto uuid = Uuid::parse(entry->d_name); uuid && uuid->to_string() == entry->d_name)
      found.push_back(*uuid);
  return found;
}

std::vector<FlatLink> flat_links(const VmRecord& record) {
  const VmTree tree(&record);
  std::vector<FlatLink> links;
  for (auto& entry : tree.list({Place::vm(), File::directory}))
    if (entry.type == FileType::link)
      links.push_back({std::move(entry.name), tree.target(entry.node).value()});
  return links;
}

void detach(const std::string& path) { ::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW); }

}  // namespace

Keeper::Keeper(KeeperOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      ledger_(options_.paths.ledger(), clock, [](std::string_view trouble) {
        if (trouble.empty()) log::info("reading the ledger");
        else log::warning(std::string(trouble) + "; looking again every second");
      }) {}

Keeper::~Keeper() { stop(); }

Result<void> Keeper::start() {
  if (const auto trouble = request_timeout_trouble(); !trouble.empty()) log::warning(trouble);
  return take_over() ? Result<void>() : unmount_all(options_.paths);
}

/// Goes on with the mount of a predecessor whose descriptors systemd kept. False when there is none to
/// go on with.
bool Keeper::take_over() {
  auto stored = take_stored_mount();
  if (!stored) return false;
  const auto table = read_mount_table();
  const auto* root = table ? find_mount(*table, options_.paths.fs()) : nullptr;
  if (auto own = Journal::create_after(stored->journal.get(), options_.threads)) {
    log::info("the mount that was kept has a journal of another version: changing it");
    change_stored_journal(*stored, std::move(*own));
  }
  auto journal = Journal::open(stored->journal.get());
  std::string trouble;
  if (root == nullptr || root->type != fuse_type || root->device != stored->device)
    trouble = "it is not on " + options_.paths.fs();
  else if (is_aborted(*stored)) trouble = "it was aborted";
  else if (!journal) trouble = journal.error().message;
  if (!trouble.empty()) {
    log::warning("the mount that was kept cannot be gone on with: " + trouble);
    forget_stored_mount(*stored);
    return false;
  }
  log::info("going on with the mount on " + options_.paths.fs());
  mount_ = std::move(*stored);
  journal_.emplace(std::move(*journal));
  return true;
}

void Keeper::complain(const std::string& message) {
  if (limiter_.pass(message, clock_.now())) log::warning(message);
}

void Keeper::step() {
  look_after_children();
  more_to_bind_ = false;
  if (is_aborted(mount_)) lose_mount("was aborted");
  if (start_due()) start_server();
  reconcile();
}

bool Keeper::start_due() const { return !server_.running() && clock_.now() >= next_start_; }

bool Keeper::step_due() const {
  return start_due() || (more_to_bind_ && server_.running() && !binder_.running());
}

void Keeper::look_after_children() {
  if (const auto trouble = binder_.reap()) {
    hung_in_a_row_ = 0;
    if (trouble->empty()) {
      has_answered_ = true;
      ended_in_a_row_ = 0;
    } else {
      more_to_bind_ = false;  // not at once
      complain(*trouble);
    }
  }
  if (is_hung()) lose_hung_server();
  else if (const auto ended = server_.reap()) {
    is_outdated_ = ended->code == exit_journal_refused && has_answered_;
    lose_server(ended->text(), ended->signal == SIGKILL ? Loss::killed : Loss::ended);
  }
}

bool Keeper::is_hung() {
  if (!server_.running()) return false;
  const auto now = clock_.now();
  const auto asked = std::max(binder_.started(), server_.started());
  if (binder_.running() && now - asked > options_.hung_after / questions * (questions - 1)) return true;
  return now - std::max(slots_.oldest(*journal_, now), server_.started()) > options_.hung_after;
}

/// True when there is a mount to serve.
bool Keeper::provide_mount() {
  if (mount_.fd) return true;
  auto mounted = make_fuse_mount(options_.paths, options_.threads);
  auto journal =
      mounted.and_then([](const FuseMount& made) { return Journal::open(made.journal.get()); });
  if (journal) {
    mount_ = std::move(*mounted);
    journal_.emplace(std::move(*journal));
    store_mount(mount_);
    return true;
  }
  complain(journal.error().message);
  release_mount();
  next_start_ = clock_.now() + mount_retry;
  return false;
}

void Keeper::start_server() {
  if (!provide_mount()) return;
  auto command = options_.server_command;
  const int fds[] = {mount_.fd.get(), mount_.journal.get()};
  command.insert(command.end(), {"--fuse-fd", std::to_string(fds[0]), "--journal-fd",
                                 std::to_string(fds[1]), "--parent", std::to_string(::getpid())});
  if (suspects_requests_) command.emplace_back("--suspect-requests");
  const auto started = server_.start_program(command, fds, clock_.now());
  if (!started) lose_server(started.error().message, Loss::killed);
  else if (limiter_.pass("serving", clock_.now()))
    log::info("serving " + options_.paths.fs() + " with process " + std::to_string(server_.pid()));
}

/// The mount stays: we hold its descriptor and the journal, and the next server goes on with both.
/// Until then readers wait.
void Keeper::lose_server(const std::string& why, Loss loss) {
  const auto now = clock_.now();
  if (now - server_.started() > proven_after) back_off_ = Nanoseconds(0);
  Nanoseconds wait{0};  // where one hung, readers have waited long enough
  if (loss == Loss::ended) wait = back_off_;
  // One that others kill is not the worse for being started again.
  if (loss == Loss::killed) wait = std::min(back_off_, first_back_off);
  if (limiter_.pass("server " + why, now))
    log::error("the server " + options_.server_command.front() + " of " + options_.paths.fs() + " " +
               why + ": starting another in " + std::to_string(wait / std::chrono::milliseconds(1)) +
               " ms");
  settled_ = false;
  suspects_requests_ = loss != Loss::killed;
  if (!server_.end(Nanoseconds(0))) return lose_mount("has a server that cannot be killed");
  next_start_ = now + wait;
  back_off_ = std::min(std::max(back_off_ * 2, first_back_off), options_.longest_back_off);
  if (loss != Loss::ended || ++ended_in_a_row_ < most_ended) return;
  lose_mount("has servers that end before they answer");
  next_start_ = now + wait;
}

/// Where another server does not help either, those who wait are let go.
void Keeper::lose_hung_server() {
  if (++hung_in_a_row_ >= most_hung) lose_mount("has servers that do not answer");
  else lose_server("does not answer", Loss::hung);
}

void Keeper::lose_mount(const std::string& why) {
  if (limiter_.pass("mount " + why, clock_.now()))
    log::error("the mount on " + options_.paths.fs() + " " + why +
               ": mounting anew; what guests hold open there is lost, new readers find the same place");
  hung_in_a_row_ = ended_in_a_row_ = 0;
  suspects_requests_ = false;
  release_mount();
  next_start_ = clock_.now();
}

/// Closing the last descriptor ends the connection: whoever waits for an answer gets ENOTCONN.
void Keeper::release_mount() {
  settled_ = false;
  if (const auto done = unmount_all(options_.paths); !done) complain(done.error().message);
  server_.end(std::chrono::milliseconds(500));
  forget_stored_mount(mount_);
  mount_ = {};
  journal_.reset();
  binder_.end(std::chrono::milliseconds(500));
}

void Keeper::stop() {
  if (has_fd_store()) {
    binder_.end(Nanoseconds(0));  // first: while it waits for an answer it cannot be killed
    server_.end(Nanoseconds(0));
  } else if (server_.running() || mount_.fd) release_mount();
}

void Keeper::reconcile() {
  if (const auto prepared = prepare_share_base(options_.paths); !prepared) {
    complain(prepared.error().message);
    return;
  }
  std::vector<VmRecord> vms;
  std::vector<Uuid> known;
  const auto ledger = ledger_.current();
  if (ledger) vms = ledger->vms();
  for (const auto& vm : vms) known.push_back(vm.uuid);
  // A ledger that nobody writes knows nothing of who is gone. Before a question is asked: where answers
  // are slow, one is always under way.
  const auto directories = list_directories(options_.paths.share_rw());
  if (ledger && !ledger->is_stale(clock_.now()) && directories) forget_dropped(known, *directories);
  connect(vms, known);
}

void Keeper::connect(const std::vector<VmRecord>& vms, const std::vector<Uuid>& known) {
  const auto directories = list_directories(options_.paths.share_rw());
  const auto table = read_mount_table();
  if (!directories || !table) {
    complain((directories ? table.error() : directories.error()).message);
    return;
  }
  const auto* root = find_mount(*table, options_.paths.fs());
  if (mount_.fd && (root == nullptr || root->device != mount_.device)) {
    lose_mount("is gone");
    return;
  }
  auto plan = make_plan(*table, options_.paths, mount_.device, known, *directories);
  for (const auto& uuid : plan.make)
    if (const auto made = make_vm_share(options_.paths, uuid); !made) complain(made.error().message);
  for (const auto& vm : vms)
    if (const auto linked = link_vm_zones(options_.paths, vm.uuid, flat_links(vm)); !linked)
      complain(linked.error().message);
  settled_ = server_.running() && plan.bind.empty();
  if (binder_.running()) return;
  for (const auto& path : plan.detach) detach(path);
  if (server_.running() && (!plan.bind.empty() || clock_.now() >= next_question_))
    start_binding(std::move(plan.bind));
}

/// A part of what is missing, another at each time: trees that cannot be bound hold up no others.
void Keeper::start_binding(std::vector<Uuid> uuids) {
  next_question_ = clock_.now() + options_.hung_after / questions;
  std::ranges::rotate(uuids, std::ranges::upper_bound(uuids, last_bound_));
  more_to_bind_ = uuids.size() > Binder::most;
  uuids.resize(std::min(uuids.size(), Binder::most));
  if (!uuids.empty()) last_bound_ = uuids.back();
  const auto started = binder_.start(options_.paths, uuids, clock_.now());
  if (!started) complain(started.error().message);
}

void Keeper::forget_dropped(const std::vector<Uuid>& known, const std::vector<Uuid>& directories) {
  const auto now = clock_.now();
  for (const auto& uuid : known) last_known_[uuid] = now;
  // A hook made these for VMs that the ledger knows later, or never: where they ended without a daemon.
  for (const auto& uuid : directories) last_known_.try_emplace(uuid, now);
  std::erase_if(last_known_,
                [&](const auto& seen) { return !std::ranges::count(directories, seen.first); });
  if (binder_.running()) return;
  std::vector<Uuid> dropped;
  for (auto& [uuid, last] : last_known_) {
    if (now - last < options_.forget_after) continue;
    last = now;  // if it is in use, another while from now
    dropped.push_back(uuid);
  }
  if (!dropped.empty()) remove_unused(dropped);
}

void Keeper::remove_unused(const std::vector<Uuid>& dropped) {
  const auto in_use = named_by_processes("/proc", dropped);
  for (const auto& uuid : dropped) {
    if (in_use.contains(uuid)) continue;
    detach(bind_path(options_.paths, uuid));
    const auto removed = remove_vm_share(options_.paths, uuid, options_.forget_after);
    if (!removed) complain(removed.error().message);
    else if (*removed)
      log::info("removed the share of " + uuid.to_string() + ", which the ledger does not know");
  }
}

}  // namespace vpowercap
