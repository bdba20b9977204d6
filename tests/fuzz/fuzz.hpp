// SPDX-License-Identifier: Apache-2.0
// What every fuzzer is made of: laws, inputs in several parts, and files and trees in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/unique_fd.hpp"

/// libFuzzer calls it once for each input; it returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace vpowercap::fuzz {

/// What must hold for every input. If it does not, says which law was broken and ends the program, so
/// that libFuzzer keeps the input.
void law(bool holds, const char* sentence);

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// `text` in `count` parts, divided at lines that are "--"; parts that are not there are empty.
std::vector<std::string_view> parts(std::string_view text, std::size_t count);

/// A file that is rewritten for each input and costs no file system anything.
class MemoryFile {
 public:
  /// A memfd.
  MemoryFile();
  /// A file at `path`, made when it is not there.
  explicit MemoryFile(const std::string& path);

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// By which this process can open it.
  [[nodiscard]] std::string path() const;
  void write(std::string_view content) const;

 private:
  UniqueFd fd_;
};

/// A directory in /dev/shm, a tmpfs, removed with all it holds at the end of the program.
class MemoryTree {
 public:
  MemoryTree();
  ~MemoryTree();
  MemoryTree(const MemoryTree&) = delete;
  MemoryTree& operator=(const MemoryTree&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path(std::string_view below) const;
  /// A file, with the directories above it.
  [[nodiscard]] MemoryFile file(std::string_view below) const;

 private:
  std::string path_;
};

}  // namespace vpowercap::fuzz
