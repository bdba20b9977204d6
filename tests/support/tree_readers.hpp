// SPDX-License-Identifier: Apache-2.0
// Readers of every kind on a mounted tree, and what they saw.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <functional>
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
  std::atomic<std::uint64_t> reads = 0, errors = 0, cut_off = 0, decreasing = 0, made_up = 0;
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
  /// Which numbers were ever published, where a test knows that.
  std::function<bool(std::uint64_t)> is_known = [](std::uint64_t) { return true; };

  void judge(const char* how, std::string_view text, std::uint64_t& last) {
    const auto value = text.ends_with('\n') ? parse_u64(text) : Result<std::uint64_t>(0);
    if (!value || *value == 0) tell(++cut_off, how, text, last);
    else if (*value < last) tell(++decreasing, how, text, last);
    else if (!is_known(last = *value)) tell(++made_up, how, text, last);
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
    for (std::size_t i = 0; i < kinds.size(); ++i)
      threads_.emplace_back([this, i] { (this->*kinds[i].body)(done_[i]); });
  }
  void stop() {
    stop_ = true;
    threads_.clear();
  }
  /// Before the start.
  void know(std::function<bool(std::uint64_t)> is_known) { seen_.is_known = std::move(is_known); }
  [[nodiscard]] const Seen& seen() const { return seen_; }
  [[nodiscard]] int entries() const { return entries_; }

  /// Reads that each reader has ended.
  [[nodiscard]] std::array<std::uint64_t, 6> progress() const {
    std::array<std::uint64_t, 6> ended{};
    for (std::size_t i = 0; i < ended.size(); ++i) ended[i] = done_[i];
    return ended;
  }
  /// Names of the readers that have not ended `more` reads since `before`.
  [[nodiscard]] std::string behind(const std::array<std::uint64_t, 6>& before,
                                   std::uint64_t more) const {
    std::string names;
    const auto now = progress();
    for (std::size_t i = 0; i < now.size(); ++i)
      if (now[i] < before[i] + more) names += (names.empty() ? "" : ", ") + std::string(kinds[i].name);
    return names;
  }

 private:
  using Count = std::atomic<std::uint64_t>;
  struct Kind {
    const char* name;
    void (TreeReaders::*body)(Count&);
  };
  static const std::array<Kind, 6> kinds;

  template <typename Read>
  void again(Count& done, Read read) {
    for (; !stop_; ++done) {
      seen_.timed(read);
      if (pause_ > Nanoseconds(0)) std::this_thread::sleep_for(pause_);
    }
  }
  void judge(const char* how, const Result<std::string>& text, std::uint64_t& last) {
    if (text) seen_.judge(how, *text, last);
    else seen_.fail(text.error().message);
  }
  void read_kept(Count& done) {
    const UniqueFd file(::open((zone_ + "/energy_uj").c_str(), O_RDONLY | O_CLOEXEC));
    std::uint64_t last = 0;
    again(done, [&] {
      char buffer[64];
      const auto text = pread_whole(file.get(), buffer);
      if (text) seen_.judge("kept descriptor", *text, last);
      else seen_.fail(text.error().message);
    });
  }
  void read_fresh(Count& done) {
    std::uint64_t last = 0;
    again(done, [&] { judge("fresh descriptor", read_file_at(AT_FDCWD, zone_ + "/energy_uj"), last); });
  }
  void read_by_link(Count& done) {
    std::uint64_t last = 0;
    const auto path = share_ + "/intel-rapl:0/energy_uj";
    again(done, [&] { judge("by link", read_file_at(AT_FDCWD, path), last); });
  }
  void read_in_pieces(Count& done) {
    const UniqueFd file(::open((zone_ + "/energy_uj").c_str(), O_RDONLY | O_CLOEXEC));
    std::uint64_t last = 0;
    again(done, [&] {
      std::string text;
      char piece[3];
      ssize_t got = 0;
      while ((got = ::pread(file.get(), piece, sizeof piece, static_cast<off_t>(text.size()))) > 0)
        text.append(piece, static_cast<std::size_t>(got));
      if (got < 0) seen_.fail("read in pieces: " + std::to_string(errno));
      else seen_.judge("in pieces", text, last);
    });
  }
  void stat_on(Count& done) {
    again(done, [&] {
      struct stat found{};
      if (::stat((zone_ + "/energy_uj").c_str(), &found) != 0 || found.st_size != 4096)
        seen_.fail("stat: " + std::to_string(errno));
    });
  }
  void list_on(Count& done) {
    again(done, [&] {
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
  std::array<Count, 6> done_{};
  std::vector<std::jthread> threads_;
};

inline const std::array<TreeReaders::Kind, 6> TreeReaders::kinds{{
    {"kept descriptor", &TreeReaders::read_kept},
    {"fresh descriptor", &TreeReaders::read_fresh},
    {"in pieces", &TreeReaders::read_in_pieces},
    {"stat", &TreeReaders::stat_on},
    {"readdir", &TreeReaders::list_on},
    {"by link", &TreeReaders::read_by_link},
}};

}  // namespace vpowercap::testing
