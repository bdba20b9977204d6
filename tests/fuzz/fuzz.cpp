// SPDX-License-Identifier: Apache-2.0
// Laws, parts, files in memory.
#include "tests/fuzz/fuzz.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace vpowercap::fuzz {

void law(bool holds, const char* sentence) {
  if (holds) return;
  std::fprintf(stderr, "broken law: %s\n", sentence);
  std::abort();
}

std::vector<std::string_view> parts(std::string_view text, std::size_t count) {
  constexpr std::string_view divider = "--\n";
  std::vector<std::string_view> found;
  while (found.size() + 1 < count) {
    std::size_t at = text.find(divider);
    while (at != 0 && at != std::string_view::npos && text[at - 1] != '\n')
      at = text.find(divider, at + 1);
    if (at == std::string_view::npos) break;
    found.push_back(text.substr(0, at));
    text.remove_prefix(at + divider.size());
  }
  found.push_back(text);
  found.resize(count);
  return found;
}

MemoryFile::MemoryFile() : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
  law(static_cast<bool>(fd_), "a memfd can be had");
}

MemoryFile::MemoryFile(const std::string& path)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  law(static_cast<bool>(fd_), "a file in /dev/shm can be made");
}

std::string MemoryFile::path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

void MemoryFile::write(std::string_view content) const {
  const auto size = static_cast<off_t>(content.size());
  const bool written = ::pwrite(fd_.get(), content.data(), content.size(), 0) == size &&
                       ::ftruncate(fd_.get(), size) == 0;
  law(written, "a file in memory can be written");
}

MemoryTree::MemoryTree() : path_("/dev/shm/vpowercap-fuzz-XXXXXX") {
  law(::mkdtemp(path_.data()) != nullptr, "a directory in /dev/shm can be made");
}

MemoryTree::~MemoryTree() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string MemoryTree::path(std::string_view below) const { return path_ + "/" + std::string(below); }

MemoryFile MemoryTree::file(std::string_view below) const {
  const std::filesystem::path target = path(below);
  std::filesystem::create_directories(target.parent_path());
  return MemoryFile(target.string());
}

}  // namespace vpowercap::fuzz
