// SPDX-License-Identifier: Apache-2.0
// Many readers of every energy_uj below a directory at once; reports what no reader may ever see.
//
//   read_storm [--threads N] [--reads N] [--seconds N] DIRECTORY
//
// Every other thread keeps its descriptors and reads by pread and by lseek and read in turn; the rest
// open a file for each read. Ends after that many reads in all, or seconds. Exits with 1 when any read
// failed or gave an empty, torn (no newline at its end), malformed or decreasing value, with 2 when
// there is nothing to read.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
  unsigned threads = 8;
  std::uint64_t reads = 200'000;  ///< by all threads together
  std::uint64_t seconds = 3600;
  std::string directory;
};

struct Counts {
  std::atomic<std::uint64_t> reads = 0, changes = 0;  ///< changes: reads that gave another value
  std::atomic<std::uint64_t> failed = 0, empty = 0, torn = 0, malformed = 0, decreasing = 0;

  [[nodiscard]] std::uint64_t wrong() const { return failed + empty + torn + malformed + decreasing; }
};

/// Judges one read of a file whose last value is `last`.
void judge(ssize_t size, const char* buffer, std::uint64_t& last, Counts& counts) {
  if (size < 0) {
    ++counts.failed;
    return;
  }
  if (size == 0) {
    ++counts.empty;
    return;
  }
  const std::string_view text(buffer, static_cast<std::size_t>(size));
  if (text.back() != '\n') {
    ++counts.torn;
    return;
  }
  std::uint64_t value = 0;
  const auto* end = text.data() + text.size() - 1;
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value == 0) {
    ++counts.malformed;
    return;
  }
  if (value < last) ++counts.decreasing;
  if (value != last && last != 0) ++counts.changes;
  last = value;
}

/// One file as one thread reads it.
class Reader {
 public:
  Reader(std::string path, bool keeps)
      : path_(std::move(path)), fd_(keeps ? open() : -1), keeps_(keeps) {}
  Reader(Reader&& other) noexcept
      : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), keeps_(other.keeps_) {}
  Reader& operator=(Reader&&) = delete;
  ~Reader() { close(fd_); }

  void read(std::uint64_t turn, Counts& counts) {
    char buffer[64];
    const int fd = keeps_ ? fd_ : open();
    ssize_t size = 0;
    if (!keeps_ || turn % 2 == 0) size = ::pread(fd, buffer, sizeof buffer, 0);
    else size = ::lseek(fd, 0, SEEK_SET) == 0 ? ::read(fd, buffer, sizeof buffer) : -1;
    if (!keeps_) close(fd);
    judge(size, buffer, last_, counts);
  }

 private:
  [[nodiscard]] int open() const { return ::open(path_.c_str(), O_RDONLY | O_CLOEXEC); }
  static void close(int fd) {
    if (fd >= 0) ::close(fd);
  }

  std::string path_;
  int fd_;
  bool keeps_;
  std::uint64_t last_ = 0;
};

std::vector<std::string> energy_files(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.path().filename() == "energy_uj") files.push_back(entry.path());
  return files;
}

void storm(const std::vector<std::string>& files, bool keeps, const Settings& settings,
           Counts& counts) {
  std::vector<Reader> readers;
  for (const auto& file : files) readers.emplace_back(file, keeps);
  const auto end = Clock::now() + std::chrono::seconds(settings.seconds);
  for (std::uint64_t turn = 0; Clock::now() < end; ++turn)
    for (auto& reader : readers) {
      if (counts.reads.fetch_add(1) >= settings.reads) {
        --counts.reads;
        return;
      }
      reader.read(turn, counts);
    }
}

int report(const Counts& counts, const Settings& settings, std::size_t files, double seconds) {
  const auto n = [](const std::atomic<std::uint64_t>& count) {
    return static_cast<unsigned long long>(count);
  };
  std::printf("%llu reads of %zu files by %u threads in %.1f s: %.0f reads/s, %llu saw a new value\n",
              n(counts.reads), files, settings.threads, seconds,
              static_cast<double>(counts.reads) / seconds, n(counts.changes));
  std::printf("failed %llu, empty %llu, torn %llu, malformed %llu, decreasing %llu\n", n(counts.failed),
              n(counts.empty), n(counts.torn), n(counts.malformed), n(counts.decreasing));
  return counts.wrong() != 0 ? 1 : 0;
}

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::stoull(argv[++i]) : 0; };
    if (word == "--threads") settings.threads = static_cast<unsigned>(number());
    else if (word == "--reads") settings.reads = number();
    else if (word == "--seconds") settings.seconds = number();
    else settings.directory = word;
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  const auto settings = parse(argc, argv);
  const auto files =
      settings.directory.empty() ? std::vector<std::string>() : energy_files(settings.directory);
  if (files.empty() || settings.threads == 0 || settings.reads == 0) {
    std::fputs(
        "usage: read_storm [--threads N] [--reads N] [--seconds N] DIRECTORY with energy_uj files\n",
        stderr);
    return 2;
  }
  Counts counts;
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < settings.threads; ++i)
      threads.emplace_back([&, i] { storm(files, i % 2 == 0, settings, counts); });
  }
  return report(counts, settings, files.size(),
                std::chrono::duration<double>(Clock::now() - begin).count());
}
