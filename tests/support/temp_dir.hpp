// SPDX-License-Identifier: Apache-2.0
// A directory that lives as long as a test: the fake roots of sysfs and /proc.
#pragma once

#include <string>
#include <string_view>

namespace vpowercap::testing {

/// A new empty directory below $TMPDIR (else /tmp), removed with all it holds at the end.
/// Every member throws std::runtime_error naming the path when the file system refuses.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string path(std::string_view below) const;
  /// Writes a file, making the directories above it.
  void write(std::string_view below, std::string_view content) const;
  void make_directory(std::string_view below) const;
  void symlink(std::string_view below, std::string_view target) const;
  /// Removes a file or a directory with all it holds.
  void remove(std::string_view below) const;

 private:
  std::string path_;
};

}  // namespace vpowercap::testing
