// SPDX-License-Identifier: Apache-2.0
// Readers of every kind on a mounted tree, and what they saw.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/file.hpp"

namespace vpowercap::testing {

/// What readers saw, all together.
struct Seen {
  std::atomic<std::uint64_t> reads = 0, errors = 0, cut_off = 0, decreasing = 0;
  std::atomic<std::int64_t> worst_ns = 0;

  /// Does `read` once and notes how long it took.
  template <typename Read>
  void timed(Read read) {
    const auto begin = SystemClock().now();
    read();
    const auto took = (SystemClock().now() - begin).count();
    ++reads;
    for (auto worst = worst_ns.load(); took > worst && !worst_ns.compare_exchange_weak(worst, took);) {
    }
  }
  void fail(const std::string& what) {
    if (++errors < 10) std::cout << "failed: " << what << std::endl;
  }
  void judge(const char* how, std::string_view text, std::uint64_t& last) {
    const auto value = text.ends_with('\n') ? parse_u64(text) : Result<std::uint64_t>(0);
    if (!value || *value == 0) tell(++cut_off, how, text, last);
    else if (*value < last) tell(++decreasing, how, text, last);
    else last = *value;
  }
  static void tell(std::uint64_t count, const char* how, std::string_view text, std::uint64_t last) {
    if (count < 10) std::cout << how << ": \"" << text << "\" after " << last << std::endl;
  }
};

/// Entries of the directory, "." and ".." too; -1 when it cannot be opened.
inline int entries_in(const std::string& path) {
  DIR* const stream = ::opendir(path.c_str());
  if (stream == nullptr) return -1;
  int entries = 0;
  while (::readdir(stream) != nullptr) ++entries;
  ::closedir(stream);
  return entries;
}

/// Six readers of the first zone of the share at `share`, each on a thread of its own, with a pause
/// after each read.
class TreeReaders {
 public:
  explicit TreeReaders(std::string share, Nanoseconds pause = Nanoseconds(0))
      : share_(std::move(share)),
        zone_(share_ + "/intel-rapl/intel-rapl:0"),
        entries_(entries_in(zone_)),
        pause_(pause) {}
  ~TreeReaders() { stop(); }
  TreeReaders(const TreeReaders&) = delete;
  TreeReaders& operator=(const TreeReaders&) = delete;

  void start() {
    for (const auto body :
         {&TreeReaders::read_kept, &TreeReaders::read_fresh, &TreeReaders::read_in_pieces,
          &TreeReaders::stat_on, &TreeReaders::list_on, &TreeReaders::read_by_link})
      threads_.emplace_back([this, body] { (this->*body)(); });
  }
  void stop() {
    stop_ = true;
    threads_.clear();
  }
  [[nodiscard]] const Seen& seen() const { return seen_; }
  [[nodiscard]] int entries() const { return entries_; }

 private:
  template <typename Read>
  void again(Read read) {
    while (!stop_) {
      seen_.timed(read);
      if (pause_ > Nanoseconds(0)) std::this_thread::sleep_for(pause_);
    }
  }
  void judge(const char* how, const Result<std::string>& text, std::uint64_t& last) {
    if (text) seen_.judge(how, *text, last);
    else seen_.fail(text.error().message);
  }
  void read_kept() {
    const UniqueFd file(::open((zone_ + "/energy_uj").c_str(), O_RDONLY | O_CLOEXEC));
    std::uint64_t last = 0;
    again([&] {
      char buffer[64];
      const auto text = pread_whole(file.get(), buffer);
      if (text) seen_.judge("kept descriptor", *text, last);
      else seen_.fail(text.error().message);
    });
  }
  void read_fresh() {
    std::uint64_t last = 0;
    again([&] { judge("fresh descriptor", read_file_at(AT_FDCWD, zone_ + "/energy_uj"), last); });
  }
  void read_by_link() {
    std::uint64_t last = 0;
    const auto path = share_ + "/intel-rapl:0/energy_uj";
    again([&] { judge("by link", read_file_at(AT_FDCWD, path), last); });
  }
  void read_in_pieces() {
    const UniqueFd file(::open((zone_ + "/energy_uj").c_str(), O_RDONLY | O_CLOEXEC));
    std::uint64_t last = 0;
    again([&] {
      std::string text;
      char piece[3];
      ssize_t got = 0;
      while ((got = ::pread(file.get(), piece, sizeof piece, static_cast<off_t>(text.size()))) > 0)
        text.append(piece, static_cast<std::size_t>(got));
      if (got < 0) seen_.fail("read in pieces: " + std::to_string(errno));
      else seen_.judge("in pieces", text, last);
    });
  }
  void stat_on() {
    again([&] {
      struct stat found{};
      if (::stat((zone_ + "/energy_uj").c_str(), &found) != 0 || found.st_size != 4096)
        seen_.fail("stat: " + std::to_string(errno));
    });
  }
  void list_on() {
    again([&] {
      if (const int now = entries_in(zone_); now != entries_)
        seen_.fail(std::to_string(now) + " entries");
    });
  }

  const std::string share_;
  const std::string zone_;
  const int entries_;
  const Nanoseconds pause_;
  std::atomic<bool> stop_ = false;
  Seen seen_;
  std::vector<std::jthread> threads_;
};

}  // namespace vpowercap::testing
