// SPDX-License-Identifier: Apache-2.0
// Temporary directories for tests.
#include "tests/support/temp_dir.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace vpowercap::testing {
namespace fs = std::filesystem;

TempDir::TempDir() {
  const char* base = std::getenv("TMPDIR");
  std::string pattern = std::string(base != nullptr ? base : "/tmp") + "/vpowercap-test-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), pattern);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TempDir::path(std::string_view below) const { return path_ + "/" + std::string(below); }

void TempDir::write(std::string_view below, std::string_view content) const {
  const fs::path target = path(below);
  std::ofstream file(target, std::ios::binary | std::ios::trunc);
  if (!file) {  // mostly the directory is there, and asking costs more than writing
    fs::create_directories(target.parent_path());
    file.open(target, std::ios::binary | std::ios::trunc);
  }
  file << content;
  if (!file.flush()) throw std::runtime_error("cannot write " + target.string());
}

void TempDir::make_directory(std::string_view below) const { fs::create_directories(path(below)); }

void TempDir::symlink(std::string_view below, std::string_view target) const {
  const fs::path link = path(below);
  fs::create_directories(link.parent_path());
  fs::create_symlink(fs::path(target), link);
}

void TempDir::remove(std::string_view below) const { fs::remove_all(path(below)); }

}  // namespace vpowercap::testing
