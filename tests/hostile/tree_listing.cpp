// SPDX-License-Identifier: Apache-2.0
// Listing a tree.
#include "tests/hostile/tree_listing.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace vpowercap::testing {
namespace {

namespace fs = std::filesystem;

std::string described(const fs::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return "cannot be asked for";
  std::ostringstream text;
  text << std::oct << status.st_mode << std::dec << ' ' << status.st_nlink << ' ' << status.st_uid
       << ':' << status.st_gid << ' ' << status.st_mtime << ' ' << status.st_ctime << ' ';
  if (S_ISLNK(status.st_mode)) text << fs::read_symlink(path);
  if (!S_ISREG(status.st_mode)) return text.str();
  // After a short read the kernel may take a file of ours for as long as what was read, for a moment.
  if (path.filename() == "energy_uj") return text.str();
  std::ifstream file(path, std::ios::binary);
  text << std::string(std::istreambuf_iterator<char>(file), {});
  return text.str();
}

}  // namespace

std::map<std::string, std::string> tree_listing(const std::string& root) {
  std::map<std::string, std::string> found{{".", described(root)}};
  for (const auto& entry : fs::recursive_directory_iterator(root))
    found[entry.path().lexically_relative(root)] = described(entry.path());
  return found;
}

std::vector<std::string> differences(const std::map<std::string, std::string>& before,
                                     const std::map<std::string, std::string>& after) {
  std::vector<std::string> found;
  for (const auto& [path, text] : before) {
    const auto now = after.find(path);
    if (now == after.end()) found.push_back(path + " is gone");
    else if (now->second != text)
      found.push_back(path + " was \"" + text + "\", is \"" + now->second + "\"");
  }
  for (const auto& [path, text] : after)
    if (!before.contains(path)) found.push_back(path + " is new: " + text);
  return found;
}

}  // namespace vpowercap::testing
