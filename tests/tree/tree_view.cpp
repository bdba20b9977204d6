// SPDX-License-Identifier: Apache-2.0
// Prints all that a reader can learn of a tree and how it answers, to compare two views of it.
//
//   tree_view DIRECTORY
//
// A line "PATH<tab>ITEM<tab>VALUE" for each item of each path below the directory, links not followed:
// what lstat, statx and statfs say, a link's target, a file's content (only its form for energy_uj,
// which moves), poll before and after the first read, and the errno of each operation that changes
// something. Only for trees on which those fail: what succeeds is done.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

/// "" for success, else the errno's name.
std::string outcome(long result) { return result >= 0 ? "" : ::strerrorname_np(errno); }

class Path {
 public:
  Path(const fs::path& root, fs::path path)
      : path_(std::move(path)), shown_(path_.lexically_relative(root)) {
    ::lstat(path_.c_str(), &status_);
  }

  void show() const {
    show_status();
    show_statx();
    show_file_system();
    if (S_ISLNK(status_.st_mode)) say("target", fs::read_symlink(path_));
    if (S_ISREG(status_.st_mode)) show_reading();
    show_answers();
  }

 private:
  void say(const char* item, const std::string& value) const {
    std::printf("%s\t%s\t%s\n", shown_.c_str(), item, value.c_str());
  }
  void say(const char* item, std::uint64_t number) const { say(item, std::to_string(number)); }

  void show_status() const {
    char mode[16];
    std::snprintf(mode, sizeof mode, "%06o", status_.st_mode);
    say("mode", mode);
    say("owner", std::to_string(status_.st_uid) + ":" + std::to_string(status_.st_gid));
    say("size", static_cast<std::uint64_t>(status_.st_size));
    say("links", status_.st_nlink);
    say("blocks", static_cast<std::uint64_t>(status_.st_blocks));
    say("block size", static_cast<std::uint64_t>(status_.st_blksize));
    say("modified", static_cast<std::uint64_t>(status_.st_mtime));
  }

  void show_statx() const {
    struct statx asked{};
    constexpr unsigned everything = STATX_BASIC_STATS | STATX_BTIME;
    say("statx", outcome(::statx(AT_FDCWD, path_.c_str(), AT_SYMLINK_NOFOLLOW, everything, &asked)));
    say("statx mask", asked.stx_mask & everything);
    say("statx size", asked.stx_size);
    say("statx blocks", asked.stx_blocks);
    say("statx links", asked.stx_nlink);
    say("statx block size", asked.stx_blksize);
  }

  void show_file_system() const {
    if (S_ISLNK(status_.st_mode)) return;
    struct statfs space{};
    say("statfs", outcome(::statfs(path_.c_str(), &space)));
    say("statfs type", static_cast<std::uint64_t>(space.f_type));
    say("statfs block size", static_cast<std::uint64_t>(space.f_bsize));
    say("statfs blocks", space.f_blocks);
    say("statfs free", space.f_bfree);
    say("statfs files", space.f_files);
    say("statfs name length", static_cast<std::uint64_t>(space.f_namelen));
  }

  static std::string polled(int fd) {
    pollfd asked{fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
    return outcome(::poll(&asked, 1, 0)) + std::to_string(asked.revents);
  }

  /// On one line; of energy_uj only that it is a number.
  [[nodiscard]] std::string form(std::string content) const {
    std::ranges::replace(content, '\n', '$');
    if (path_.filename() != "energy_uj") return content;
    const auto digits =
        std::ranges::find_if_not(content, [](unsigned char c) { return std::isdigit(c) != 0; });
    return (digits == content.begin() ? "no number" : "a number") + std::string(digits, content.end());
  }

  void show_reading() const {
    const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    say("open", outcome(fd));
    if (fd < 0) return;
    say("poll before reading", polled(fd));
    char buffer[4096];
    const auto size = ::read(fd, buffer, sizeof buffer);
    say("read", outcome(size));
    say("content", form(std::string(buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0)))));
    say("poll after reading", polled(fd));
    say("read at its end", ::read(fd, buffer, sizeof buffer) == 0 ? "nothing" : "more");
    say("ioctl", outcome(::ioctl(fd, TCGETS, buffer)));
    for (const int kind : {MAP_PRIVATE, MAP_SHARED})
      say(kind == MAP_SHARED ? "shared map" : "private map",
          outcome(::mmap(nullptr, 4096, PROT_READ, kind, fd, 0) == MAP_FAILED ? -1 : 0));
    ::close(fd);
  }

  /// A descriptor that was opened only to see whether that can be.
  static long tried(int fd) {
    if (fd >= 0) ::close(fd);
    return fd;
  }

  void show_answers() const {
    const char* const path = path_.c_str();
    const auto beside = (path_.parent_path() / "new").string();
    const auto below = (path_ / "new").string();
    char value[16] = "1";
    const auto permissions = status_.st_mode & 07777;
    say("unlink", outcome(::unlink(path)));
    say("rmdir", outcome(::rmdir(path)));
    say("rename", outcome(::rename(path, beside.c_str())));
    say("link", outcome(::link(path, beside.c_str())));
    say("lchown", outcome(::lchown(path, 1, 1)));
    say("lsetxattr", outcome(::lsetxattr(path, "user.x", value, 1, 0)));
    say("lgetxattr", outcome(::lgetxattr(path, "user.x", value, sizeof value)));
    say("llistxattr", outcome(::llistxattr(path, value, sizeof value)));
    if (S_ISLNK(status_.st_mode)) return;
    say("chmod", outcome(::chmod(path, permissions)));
    say("utimes", outcome(::utimensat(AT_FDCWD, path, nullptr, 0)));
    say("truncate", outcome(::truncate(path, 0)));
    say("open for writing", outcome(tried(::open(path, O_WRONLY | O_CLOEXEC))));
    say("open for both", outcome(tried(::open(path, O_RDWR | O_SYNC | O_CLOEXEC))));
    say("truncating open", outcome(tried(::open(path, O_RDONLY | O_TRUNC | O_CLOEXEC))));
    say("exclusive open", outcome(tried(::open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600))));
    say("temporary file", outcome(tried(::open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600))));
    say("open as a directory", outcome(tried(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC))));
    say("create below", outcome(tried(::open(below.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600))));
    say("look below", outcome(tried(::open(below.c_str(), O_RDONLY | O_CLOEXEC))));
    say("mkdir below", outcome(::mkdir(below.c_str(), 0700)));
    say("symlink below", outcome(::symlink("x", below.c_str())));
    say("fifo below", outcome(::mkfifo(below.c_str(), 0600)));
  }

  fs::path path_, shown_;
  struct stat status_{};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: tree_view DIRECTORY\n", stderr);
    return 2;
  }
  const fs::path root(argv[1]);
  std::vector<fs::path> paths{root};
  for (const auto& entry : fs::recursive_directory_iterator(root)) paths.push_back(entry.path());
  std::ranges::sort(paths);
  for (const auto& path : paths) Path(root, path).show();
  return 0;
}
