// SPDX-License-Identifier: Apache-2.0
// A mounted tree as readers meet it.
#include "fuse-fs/session/serve.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "common/base/file.hpp"
#include "tests/support/mount_sandbox.hpp"
#include "tests/support/test_vm.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

using testing::known_vm;
using testing::unknown_vm;
using testing::vm_record;

/// A server in a process of its own, as in life: a reader never shares its fate.
/// The mount is writable, so that refusals come from the server and not from the kernel.
class Served : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto reason = testing::enter_mount_sandbox(); !reason.empty()) GTEST_SKIP() << reason;
    UniqueFd fuse(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (!fuse) GTEST_SKIP() << "cannot open /dev/fuse";
    dir_ = std::make_unique<testing::MountedTempDir>();
    path_ = dir_->path() + "/ledger";
    root_ = dir_->path() + "/fs";
    ASSERT_EQ(::mkdir(root_.c_str(), 0755), 0);
    const auto options = "fd=" + std::to_string(fuse.get()) +
                         ",rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions";
    ASSERT_EQ(
        ::mount("vpowercap", root_.c_str(), "fuse.vpowercap", MS_NOSUID | MS_NODEV, options.c_str()),
        0);
    auto opened =
        LedgerWriter::open({.path = path_, .group = "", .stale_after = std::chrono::seconds(60)});
    ASSERT_TRUE(opened) << opened.error().message;
    writer_ = std::make_unique<LedgerWriter>(std::move(*opened));
    writer_->beat(SystemClock().now());
    publish(1'000'000);
    server_ = ::fork();
    if (server_ == 0) {
      const SystemClock clock;
      LedgerSource source(path_, clock, nullptr);
      ::_exit(
          serve(std::move(fuse), Journal::open(Journal::create(2)->get()).value(), Filesystem(source))
              ? 0
              : 1);
    }
  }
  void TearDown() override {
    if (server_ <= 0) return;
    EXPECT_EQ(::umount2(root_.c_str(), MNT_DETACH), 0);
    int status = -1;
    ::waitpid(server_, &status, 0);
    EXPECT_EQ(status, 0) << "the server did not end cleanly when its mount went";
  }
  void publish(std::uint64_t uj) { ASSERT_TRUE(writer_->store_vm(vm_record(known_vm, uj))); }
  [[nodiscard]] std::string path(const std::string& below, const Uuid& uuid = known_vm) const {
    return root_ + "/" + uuid.to_string() + (below.empty() ? "" : "/") + below;
  }
  [[nodiscard]] static std::string read(const std::string& path) {
    auto content = read_file_at(AT_FDCWD, path);
    return content ? *content : "error " + std::to_string(content.error().code);
  }

  std::unique_ptr<testing::MountedTempDir> dir_;
  std::string path_;
  std::string root_;
  std::unique_ptr<LedgerWriter> writer_;
  pid_t server_ = -1;
};

constexpr auto energy = "intel-rapl/intel-rapl:0/energy_uj";

std::map<std::string, int> types_in(const std::string& path) {
  std::map<std::string, int> types;
  DIR* stream = ::opendir(path.c_str());
  if (stream == nullptr) return types;
  while (const dirent* entry = ::readdir(stream)) types[entry->d_name] = entry->d_type;
  ::closedir(stream);
  return types;
}

TEST_F(Served, EveryEntryHasItsType) {
  EXPECT_EQ(types_in(root_), (std::map<std::string, int>{
                                 {".", DT_DIR}, {"..", DT_DIR}, {known_vm.to_string(), DT_DIR}}));
  EXPECT_EQ(types_in(path("")), (std::map<std::string, int>{{".", DT_DIR},
                                                            {"..", DT_DIR},
                                                            {"intel-rapl", DT_DIR},
                                                            {"intel-rapl:0", DT_LNK},
                                                            {"intel-rapl:0:0", DT_LNK},
                                                            {"intel-rapl:1", DT_LNK},
                                                            {"intel-rapl:1:0", DT_LNK}}));
  auto zone = types_in(path("intel-rapl/intel-rapl:0"));
  EXPECT_EQ(zone["energy_uj"], DT_REG);
  EXPECT_EQ(zone["intel-rapl:0:0"], DT_DIR);
  EXPECT_EQ(zone["power"], DT_DIR);
  EXPECT_EQ(zone["subsystem"], DT_LNK);
  EXPECT_EQ(zone["."], DT_DIR);
}

TEST_F(Served, FlatAndNestedPathsLeadToTheSameFile) {
  struct stat flat{};
  struct stat nested{};
  ASSERT_EQ(::stat(path("intel-rapl:0:0/energy_uj").c_str(), &flat), 0);
  ASSERT_EQ(::stat(path("intel-rapl/intel-rapl:0/intel-rapl:0:0/energy_uj").c_str(), &nested), 0);
  EXPECT_EQ(flat.st_ino, nested.st_ino);
  EXPECT_EQ(flat.st_mode, S_IFREG | 0400u);
  EXPECT_EQ(flat.st_size, 4096);
  EXPECT_EQ(flat.st_nlink, 1u);
  EXPECT_EQ(flat.st_uid, 0u);
  EXPECT_EQ(read(path("intel-rapl/subsystem/intel-rapl:1/name")), "package-1\n");
  EXPECT_EQ(read(path("intel-rapl:0:0/device/device/enabled")), "1\n");
}

TEST_F(Served, ReadsByOffset) {
  const UniqueFd file(::open(path(energy).c_str(), O_RDONLY));
  ASSERT_TRUE(file);
  char buffer[32];
  EXPECT_EQ(::pread(file.get(), buffer, sizeof buffer, 0), 8);
  EXPECT_EQ(::pread(file.get(), buffer, 3, 0), 3);
  EXPECT_EQ(::pread(file.get(), buffer, sizeof buffer, 7), 1);
  EXPECT_EQ(buffer[0], '\n');
  EXPECT_EQ(::pread(file.get(), buffer, sizeof buffer, 8), 0);
  EXPECT_EQ(::pread(file.get(), buffer, sizeof buffer, 1 << 20), 0);
}

TEST_F(Served, AKeptDescriptorSeesEachNewValue) {
  const UniqueFd file(::open(path(energy).c_str(), O_RDONLY));
  ASSERT_TRUE(file);
  char buffer[32];
  for (std::uint64_t value = 2'000'000; value < 2'000'050; ++value) {
    publish(value);
    EXPECT_EQ(pread_whole(file.get(), buffer).value(), std::to_string(value) + "\n");
  }
}

std::string byte_by_byte(int file, const std::function<void(std::size_t)>& before_byte) {
  std::string text;
  char byte = 0;
  for (before_byte(0); ::read(file, &byte, 1) == 1; before_byte(text.size())) text += byte;
  return text;
}

TEST_F(Served, AReaderInPiecesGoesOnInTheValueItBegan) {
  publish(9'999'999);
  const UniqueFd file(::open(path(energy).c_str(), O_RDONLY));
  const UniqueFd other(::open(path(energy).c_str(), O_RDONLY));
  char buffer[32];
  std::uint64_t value = 10'000'000;
  const auto change = [&](std::size_t) {
    EXPECT_EQ(pread_whole(other.get(), buffer).value(), std::to_string(value - 1) + "\n");
    publish(value++);
  };
  EXPECT_EQ(byte_by_byte(file.get(),
                         [&](std::size_t at) {
                           if (at > 0) change(at);
                         }),
            "9999999\n");
  ASSERT_EQ(::lseek(file.get(), 0, SEEK_SET), 0);
  EXPECT_EQ(byte_by_byte(file.get(), [](std::size_t) {}), std::to_string(value - 1) + "\n");
}

TEST_F(Served, TheEndOfAFileStaysItsEndWhenTheValueGrows) {
  publish(9'999'999);
  const UniqueFd file(::open(path(energy).c_str(), O_RDONLY));
  char buffer[32];
  ASSERT_EQ(::read(file.get(), buffer, sizeof buffer), 8);
  publish(10'000'000);
  EXPECT_EQ(::read(file.get(), buffer, sizeof buffer), 0);
  EXPECT_EQ(pread_whole(file.get(), buffer).value(), "10000000\n");
}

TEST_F(Served, RefusesEveryChange) {
  const auto zone = path("intel-rapl/intel-rapl:0");
  const auto expect = [](int result, int code, const char* what) {
    const int got = errno;
    EXPECT_EQ(result, -1) << what;
    EXPECT_EQ(got, code) << what << ": " << ::strerror(got);
  };
  expect(::open((zone + "/energy_uj").c_str(), O_WRONLY), EACCES, "write energy");
  expect(::open((zone + "/name").c_str(), O_RDWR), EACCES, "write a name");
  expect(::open((zone + "/new").c_str(), O_CREAT | O_WRONLY, 0644), EPERM, "create");
  expect(::mkdir((zone + "/new").c_str(), 0755), EPERM, "mkdir");
  expect(::mknod((zone + "/new").c_str(), S_IFIFO | 0644, 0), EPERM, "mknod");
  expect(::symlink("x", (zone + "/new").c_str()), EPERM, "symlink");
  expect(::link((zone + "/name").c_str(), (zone + "/new").c_str()), EPERM, "link");
  expect(::rename((zone + "/name").c_str(), (zone + "/new").c_str()), EPERM, "rename");
  expect(::unlink((zone + "/name").c_str()), EPERM, "unlink");
  expect(::rmdir((zone + "/power").c_str()), EPERM, "rmdir");
  expect(::chmod((zone + "/energy_uj").c_str(), 0444), EPERM, "chmod");
  expect(::chown((zone + "/energy_uj").c_str(), 1, 1), EPERM, "chown");
  const timespec now[2]{{0, UTIME_NOW}, {0, UTIME_NOW}};
  expect(::utimensat(AT_FDCWD, (zone + "/name").c_str(), now, 0), EPERM, "times");
  expect(::mkdir((root_ + "/new").c_str(), 0755), EPERM, "mkdir in the root");
}

TEST_F(Served, WritesFailAsOnALockedMachine) {
  const auto zone = path("intel-rapl/intel-rapl:0");
  const auto written = [&](const std::string& name, const std::string& text) {
    const UniqueFd file(::open((zone + "/" + name).c_str(), O_RDWR | O_SYNC | O_TRUNC));
    EXPECT_TRUE(file) << name;
    return ::write(file.get(), text.data(), text.size()) < 0 ? errno : 0;
  };
  EXPECT_EQ(written("constraint_0_power_limit_uw", "65000000\n"), ENODATA);
  EXPECT_EQ(written("constraint_1_time_window_us", "many"), EINVAL);
  EXPECT_EQ(written("enabled", "1"), ENOSYS);
  EXPECT_EQ(written("uevent", "add"), EINVAL);
  EXPECT_EQ(read(zone + "/enabled"), "0\n");
  EXPECT_EQ(::truncate((zone + "/name").c_str(), 0), 0);
  EXPECT_EQ(read(zone + "/name"), "package-0\n");
}

TEST_F(Served, EnergyIsForRootAlone) {
  const auto child = ::fork();
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(9);
    if (::open(path("intel-rapl/intel-rapl:0/name").c_str(), O_RDONLY) < 0) ::_exit(8);
    ::_exit(::open(path(energy).c_str(), O_RDONLY) < 0 && errno == EACCES ? 0 : 7);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Served, SilenceOfTheWriterIsNoData) {
  const UniqueFd file(::open(path(energy).c_str(), O_RDONLY));
  writer_->beat(SystemClock().now() - std::chrono::seconds(61));
  char byte;
  EXPECT_EQ(::pread(file.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ENODATA);
  EXPECT_EQ(read(path("intel-rapl:0/name")), "package-0\n");
}

TEST_F(Served, AnUnknownVmHasAnEmptyTree) {
  EXPECT_EQ(types_in(path("", unknown_vm)),
            (std::map<std::string, int>{{".", DT_DIR}, {"..", DT_DIR}, {"intel-rapl", DT_DIR}}));
  EXPECT_EQ(read(path("intel-rapl/enabled", unknown_vm)), "1\n");
  EXPECT_EQ(::access((root_ + "/not-a-uuid").c_str(), F_OK), -1);
}

TEST_F(Served, ManyReadersSeeWholeValuesThatNeverFall) {
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::atomic<int> reads = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 8; ++i)
    readers.emplace_back([&, reopen = i % 2 == 0] {
      const UniqueFd kept(::open(path(energy).c_str(), O_RDONLY));
      std::uint64_t last = 0;
      char buffer[64];
      while (!stop) {
        const UniqueFd fresh(reopen ? ::open(path(energy).c_str(), O_RDONLY) : -1);
        const auto text = pread_whole(reopen ? fresh.get() : kept.get(), buffer);
        const auto value = text && text->ends_with('\n') ? parse_u64(*text) : Result<std::uint64_t>(0);
        if (!value || *value < last || *value == 0) ++wrong;
        last = value ? *value : last;
        ++reads;
      }
    });
  // A writer without a pause leaves readers no instant to copy a record whole.
  for (std::uint64_t value = 1'000'001; reads < 4000; value += 7, std::this_thread::sleep_for(50us))
    publish(value);
  stop = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace vpowercap
