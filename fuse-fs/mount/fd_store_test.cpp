// SPDX-License-Identifier: Apache-2.0
// vpowercap-mount itself ends and comes back, with this test as the systemd that keeps its descriptors.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>

#include <cstdio>
#include <cstring>
#include <future>
#include <map>

#include "fuse-fs/journal/journal.hpp"
#include "tests/support/mount_program.hpp"
#include "tests/support/patience.hpp"
#include "tests/support/setting.hpp"
#include "tests/support/tree_readers.hpp"

namespace vpowercap {
namespace {

using testing::eventually;
using testing::known_vm;
using testing::unknown_vm;

/// The receiving end of sd_notify(3), and what it was given to keep.
class Store {
 public:
  Store() : path_(dir_.path("notify")), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  }
  ~Store() { ::unsetenv("NOTIFY_SOCKET"); }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  const std::map<std::string, UniqueFd>& kept() {
    while (receive()) {
    }
    return kept_;
  }
  void rename(const std::string& from, const std::string& to) {
    auto node = kept_.extract(from);
    node.key() = to;
    kept_.insert(std::move(node));
  }
  void put(const std::string& name, UniqueFd fd) {
    kept_[name].reset(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 100));
  }
  void drop(const std::string& name) { kept_.erase(name); }
  /// A command that finds them as systemd would give them.
  std::vector<std::string> with_kept(const std::vector<std::string>& command) {
    std::string names, places;
    for (const auto& [name, fd] : kept()) {
      const int number = 3 + static_cast<int>(std::ranges::count(names, ':')) + (names.empty() ? 0 : 1);
      names += (names.empty() ? "" : ":") + name;
      const auto kept = std::to_string(fd.get());
      places += " " + std::to_string(number) + "<&" + kept + " " + kept + "<&-";
    }
    std::vector<std::string> wrapped{"/bin/bash", "-c",
                                     "LISTEN_FDS=" + std::to_string(kept_.size()) + " LISTEN_FDNAMES=" +
                                         names + " LISTEN_PID=$$ exec \"$@\"" + places,
                                     "bash"};
    wrapped.insert(wrapped.end(), command.begin(), command.end());
    return wrapped;
  }
  [[nodiscard]] std::size_t forgotten() const { return forgotten_; }
  [[nodiscard]] std::vector<int> fds() const {
    std::vector<int> fds;
    for (const auto& [name, fd] : kept_) fds.push_back(fd.get());
    return fds;
  }

 private:
  bool receive() {
    char text[256];
    iovec part{text, sizeof text};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const auto size = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size <= 0) return false;
    const std::string state(text, static_cast<std::size_t>(size));
    const auto at = state.find("FDNAME=");
    const auto name = at == std::string::npos ? "" : state.substr(at + 7);
    if (state.starts_with("FDSTOREREMOVE=1")) forgotten_ += kept_.erase(name);
    const cmsghdr* const head = CMSG_FIRSTHDR(&message);
    if (head == nullptr || !state.starts_with("FDSTORE=1")) return true;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
    const UniqueFd received(fd);
    // Out of the way of the numbers that they get later.
    kept_[name] = UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 100));
    return true;
  }

  testing::TempDir dir_;
  std::string path_;
  UniqueFd socket_;
  std::map<std::string, UniqueFd> kept_;
  std::size_t forgotten_ = 0;
};

/// FUSE_NOTIFY_RESEND
bool kernel_sends_again() {
  utsname kernel{};
  int major = 0, minor = 0;
  ::uname(&kernel);
  std::sscanf(kernel.release, "%d.%d", &major, &minor);
  return std::pair(major, minor) >= std::pair(6, 9);
}

class KeptBySystemd : public testing::MountProgram {
 protected:
  void SetUp() override {
    store_ = std::make_unique<Store>();
    MountProgram::SetUp();
    if (IsSkipped()) return;
    plain_ = command_;
    publish(known_vm, 1'000'000);
    start();
    ASSERT_TRUE(reads(known_vm, "1000000\n"));
    kept_.reset(
        ::open((paths_.source(known_vm) + "/" + testing::energy_file).c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(kept_);
    ASSERT_EQ(store_->kept().size(), 2u);
  }
  void TearDown() override {
    kept_.reset();
    MountProgram::TearDown();
    store_.reset();
  }
  void start_again() {
    command_ = store_->with_kept(plain_);
    const auto started = helper_.start_program(command_, store_->fds(), Nanoseconds(0));
    ASSERT_TRUE(started) << started.error().message;
  }
  /// Another program goes on with the mount, whose server gets stuck with the first request of a kind.
  void go_on_with_a_stuck_server(fuse_opcode opcode, const std::string& hung_after) {
    const char* const stuck = std::getenv("VPOWERCAP_FS_STUCK");
    if (stuck == nullptr) GTEST_SKIP() << "VPOWERCAP_FS_STUCK names no such server (run by meson test)";
    const auto own = plain_;
    command_ = plain_;
    install_server(stuck);
    plain_ = command_;
    *(std::ranges::find(plain_, "--hung-after") + 1) = hung_after;
    const auto server = server_pid();
    kill_helper(SIGKILL);
    // It dies a moment later, and must not take the request with it.
    ASSERT_TRUE(eventually([&] { return ::kill(server, 0) != 0; }));
    ::setenv("VPOWERCAP_STUCK_ON", std::to_string(opcode).c_str(), 1);
    start_again();
    ::unsetenv("VPOWERCAP_STUCK_ON");
    plain_ = own;
  }
  /// The name under which the only journal, or the only connection, is stored; "" if none is.
  std::string stored(const std::string& kind) {
    for (const auto& [name, fd] : store_->kept())
      if (name.starts_with(kind + "-")) return name;
    return "";
  }
  int stored_journal() { return store_->kept().at(stored("journal")).get(); }
  /// As if the release before had another layout of it.
  void change_version(std::uint32_t version) {
    ASSERT_EQ(::pwrite(stored_journal(), &version, sizeof version, 8), ssize_t{sizeof version});
    const auto name = stored("journal");
    store_->rename(name, "journal-" + std::to_string(version) + name.substr(name.find('-', 8)));
  }
  /// Waits for a request of this kind to stay where it was received.
  void wait_until_stuck(fuse_opcode opcode) {
    const auto journal = Journal::open(stored_journal());
    ASSERT_TRUE(journal) << journal.error().message;
    const auto slot = journal->slot(0);
    ASSERT_TRUE(eventually([&] { return slot.occupied() && slot.header().opcode == opcode; }));
  }
  [[nodiscard]] std::string read_kept() const {
    char buffer[64];
    const auto text = pread_whole(kept_.get(), buffer);
    return text ? std::string(*text) : text.error().message;
  }

  /// The old descriptors are forgotten, and with the last of them their connection, before anybody
  /// reads.
  void expect_a_new_mount() {
    EXPECT_TRUE(eventually([&] { return store_->kept().size() == 2 && store_->forgotten() == 2; }));
    EXPECT_TRUE(reads(known_vm, "1000000\n"));
    EXPECT_NE(read_kept(), "1000000\n");
  }

  std::unique_ptr<Store> store_;
  std::vector<std::string> plain_;
  UniqueFd kept_;
};

TEST_F(KeptBySystemd, AMountOutlivesWhoMadeIt) {
  std::uint64_t value = 2'000'000;
  for (const int signal : {SIGKILL, SIGTERM, SIGKILL}) {
    kill_helper(signal);
    publish(known_vm, value);
    start_again();
    EXPECT_EQ(read_kept(), std::to_string(value) + "\n");
    EXPECT_EQ(read(known_vm, testing::energy_file), std::to_string(value) + "\n");
    EXPECT_EQ(store_->kept().size(), 2u);
    EXPECT_TRUE(eventually([&] { return fuse_mounts() == 3; }));
    value += 1'000'000;
  }
}

/// An upgrade as a package does it: what keeps the mount is restarted, and with it the server.
TEST_F(KeptBySystemd, TwoBuildsTakeTurnsOverRestarts) {
  const char* const other = std::getenv("VPOWERCAP_FS_OTHER");
  if (other == nullptr)
    GTEST_SKIP() << "VPOWERCAP_FS_OTHER names no server of another version (run by meson test)";
  testing::Patience patience(std::chrono::seconds(30), [this] {
    ADD_FAILURE() << "readers wait for ever";
    ::umount2(paths_.fs().c_str(), MNT_FORCE | MNT_DETACH);
  });
  testing::TreeReaders readers(paths_.source(known_vm));
  readers.start();
  const auto restarts = testing::setting("VPOWERCAP_RESTARTS", 10);
  const auto own = std::ranges::find(plain_, "--server")[1];
  for (std::uint64_t restart = 0; restart < restarts && !HasFailure(); ++restart) {
    kill_helper(restart % 4 < 2 ? SIGTERM : SIGKILL);
    std::ranges::find(plain_, "--server")[1] = restart % 2 == 0 ? other : own;
    const auto value = 2'000'000 + restart;
    publish(known_vm, value);
    writer_->beat(SystemClock().now());
    start_again();
    const auto before = readers.progress();
    EXPECT_EQ(read_kept(), std::to_string(value) + "\n");
    EXPECT_TRUE(eventually([&] { return readers.behind(before, 2).empty(); }))
        << readers.behind(before, 2) << " does not go on";
    patience.progress();
  }
  readers.stop();
  const auto& seen = readers.seen();
  const auto wrong = seen.errors + seen.cut_off + seen.decreasing;
  std::cout << restarts << " restarts of vpowercap-mount between two builds; " << seen.reads
            << " reads, " << wrong << " of them wrong; worst read "
            << static_cast<double>(seen.worst_ns) / 1e6 << " ms\n";
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(store_->forgotten(), 0u) << "it was mounted anew";
}

TEST_F(KeptBySystemd, AMountThatIsGoneIsMadeAnew) {
  kill_helper(SIGTERM);
  ASSERT_EQ(::umount2(paths_.fs().c_str(), MNT_DETACH), 0);
  start_again();
  expect_a_new_mount();
}

TEST_F(KeptBySystemd, AMountThatWasAbortedIsMadeAnew) {
  kill_helper(SIGTERM);
  if (!abort_connection()) GTEST_SKIP() << "the kernel shows no FUSE connections (fusectl)";
  start_again();
  expect_a_new_mount();
}

TEST_F(KeptBySystemd, AMountOutlivesAChangeOfTheJournalsLayout) {
  for (const std::uint32_t version : {99u, 98u}) {
    kill_helper(SIGTERM);
    const auto name = stored("journal");
    ASSERT_NO_FATAL_FAILURE(change_version(version));
    start_again();
    EXPECT_EQ(read_kept(), "1000000\n");
    EXPECT_TRUE(eventually([&] { return stored("journal") == name; }));
    EXPECT_EQ(store_->kept().size(), 2u);
    EXPECT_EQ(Journal::open(stored_journal())->slot_count(), 2u);
  }
}

TEST_F(KeptBySystemd, ARequestInHandOutlivesAChangeOfTheJournalsLayout) {
  if (!kernel_sends_again()) GTEST_SKIP() << "before Linux 6.9 requests are not sent again";
  go_on_with_a_stuck_server(FUSE_READ, "600");
  if (IsSkipped() || HasFatalFailure()) return;
  auto read = std::async(std::launch::async, [&] { return read_kept(); });
  ASSERT_NO_FATAL_FAILURE(wait_until_stuck(FUSE_READ));
  kill_helper(SIGKILL);
  ASSERT_NO_FATAL_FAILURE(change_version(99));
  start_again();
  EXPECT_EQ(read.get(), "1000000\n");
}

TEST_F(KeptBySystemd, AJournalWithoutWhatWasAgreedIsNotGoneOnWith) {
  kill_helper(SIGTERM);
  ASSERT_NO_FATAL_FAILURE(change_version(99));
  const std::uint32_t nothing = 0;
  ASSERT_EQ(::pwrite(stored_journal(), &nothing, sizeof nothing, 16), ssize_t{sizeof nothing});
  start_again();
  expect_a_new_mount();
}

/// Killed while it stored: nothing of it stays.
TEST_F(KeptBySystemd, AJournalAloneIsForgotten) {
  kill_helper(SIGTERM);
  store_->drop(stored("fuse"));
  const auto orphan = stored("journal");
  store_->rename(orphan, "journal-1-0-4095");
  start_again();
  EXPECT_TRUE(eventually([&] { return store_->kept().size() == 2 && store_->forgotten() == 1; }));
  EXPECT_FALSE(store_->kept().contains("journal-1-0-4095"));
  EXPECT_TRUE(reads(known_vm, "1000000\n"));
}

TEST_F(KeptBySystemd, AMountGoesOnWithItsOwnJournalAndForgetsAnother) {
  const auto own = stored("journal");
  for (const std::string other : {"journal-0-0-1", "journal-9-9-9", "odd"}) {
    kill_helper(SIGTERM);
    store_->put(other, Journal::create(2).value());
    start_again();
    EXPECT_EQ(read_kept(), "1000000\n");
    EXPECT_TRUE(eventually([&] { return store_->kept().size() == 2; })) << other;
    EXPECT_EQ(stored("journal"), own);
  }
}

/// The child that asks the server waits for it in the kernel, where no signal reaches it.
TEST_F(KeptBySystemd, AChildThatCannotBeKilledHoldsUpNoSuccessor) {
  go_on_with_a_stuck_server(FUSE_GETATTR, "600");
  if (IsSkipped() || HasFatalFailure()) return;
  publish(unknown_vm, 2'000'000);  // so that it asks again and again
  ASSERT_NO_FATAL_FAILURE(wait_until_stuck(FUSE_GETATTR));
  kill_helper(SIGKILL);
  start_again();
  ASSERT_TRUE(eventually([&] { return server_pid() > 0; })) << "no successor starts";
  EXPECT_EQ(read_kept(), "1000000\n");
  EXPECT_TRUE(reads(known_vm, "1000000\n"));
}

/// A package is changed: first the server ends or is ended, then the program that keeps the mount must
/// go.
TEST_F(KeptBySystemd, OneWhoseServerIsOfAnotherReleaseLeavesTheMountToItsSuccessor) {
  const std::string good = std::getenv("VPOWERCAP_FS");
  kill_helper(SIGKILL);
  command_ = plain_;
  install_server(good);
  plain_ = command_;
  start_again();
  publish(unknown_vm, 2'000'000);
  ASSERT_TRUE(reads(unknown_vm, "2000000\n"));  // bound by this one: its server has answered
  install_server(server_that_exits_with(exit_journal_refused));
  ::kill(server_pid(), SIGKILL);
  std::optional<Ending> ended;
  ASSERT_TRUE(eventually([&] { return (ended = helper_.reap()).has_value(); }));
  EXPECT_EQ(ended->text(), "exited with 1");
  install_server(good);
  start_again();
  EXPECT_EQ(read_kept(), "1000000\n");
}

TEST_F(KeptBySystemd, AThreadThatHangsIsNoticedThoughOthersAnswer) {
  go_on_with_a_stuck_server(FUSE_READ, "2");
  if (IsSkipped() || HasFatalFailure()) return;
  auto read = std::async(std::launch::async, [&] { return read_kept(); });
  ASSERT_NO_FATAL_FAILURE(wait_until_stuck(FUSE_READ));
  install_server(std::getenv("VPOWERCAP_FS"));
  if (!eventually([&] { return read.wait_for(Nanoseconds(0)) == std::future_status::ready; })) {
    kill_helper(SIGKILL);
    for (const auto* kind : {"fuse", "journal"}) store_->drop(stored(kind));  // lets the reader go
  }
  EXPECT_EQ(read.get(), "1000000\n");
}

TEST_F(KeptBySystemd, TheEndUnmounts) {
  kept_.reset();  // while there is a server, for which a close waits
  kill_helper(SIGTERM);
  EXPECT_EQ(fuse_mounts(), 3u);
  Child end;
  auto command = plain_;
  command.emplace_back("--unmount");
  ASSERT_TRUE(end.start_program(command, {}, Nanoseconds(0)));
  std::optional<Ending> ended;
  EXPECT_TRUE(eventually([&] { return (ended = end.reap()).has_value(); }));
  EXPECT_TRUE(ended && ended->is_clean());
  EXPECT_EQ(fuse_mounts(), 0u);
}

}  // namespace
}  // namespace vpowercap
