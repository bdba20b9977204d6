// SPDX-License-Identifier: Apache-2.0
// Reads a powercap tree in each of the ways in which agents do that nobody packages.
//
// Usage: ways_of_reading ROOT SAMPLES SECONDS
// Prints SAMPLES times, SECONDS apart, a line "WAY SAMPLE ZONE NAME MICROJOULES" for each zone that a
// way finds. A file that cannot be opened or read ends the program with 1 and a sentence.
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using Paths = std::vector<std::string>;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

// ---- how zones are found: each gives the directories of zones ----

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Paths matches(const std::string& pattern) {
  glob_t found{};
  Paths paths;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths;
}

struct Entry {
  std::string name;
  unsigned char type;
};

std::vector<Entry> entries(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), ::closedir);
  if (!open) fail(directory);
  std::vector<Entry> found;
  while (const auto* entry = ::readdir(open.get()))
    if (entry->d_name[0] != '.') found.push_back({entry->d_name, entry->d_type});
  return found;
}

Paths glob_flat(const std::string& root) { return matches(root + "/intel-rapl:*"); }

Paths glob_nested(const std::string& root) {
  auto paths = matches(root + "/intel-rapl/intel-rapl:[0-9]*");
  for (const auto& path : matches(root + "/intel-rapl/intel-rapl:*/intel-rapl:*:*"))
    paths.push_back(path);
  return paths;
}

/// Names made by counting from 0 until one is missing.
Paths fixed_nested(const std::string& root) {
  Paths paths;
  for (int zone = 0;; ++zone) {
    const auto name = "intel-rapl:" + std::to_string(zone);
    const auto package = root + "/intel-rapl/" + name;
    if (!exists(package + "/name")) return paths;
    paths.push_back(package);
    for (int sub = 0;; ++sub) {
      const auto below = package + "/" + name + ":" + std::to_string(sub);
      if (!exists(below + "/name")) break;
      paths.push_back(below);
    }
  }
}

/// As fixed_nested(), by readers that take a zone's number for that of the socket it is: as many
/// packages as the machine has sockets, each with its own number in its name.
Paths sockets(const std::string& root) {
  std::set<std::string> ids;
  for (const auto& path : matches("/sys/devices/system/cpu/cpu*/topology/physical_package_id")) {
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "r"), std::fclose);
    char text[32] = "";
    if (file && std::fgets(text, sizeof text, file.get())) ids.insert(text);
  }
  Paths paths;
  for (const auto& id : ids) {
    const auto path = root + "/intel-rapl/intel-rapl:" + id.substr(0, id.find('\n'));
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen((path + "/name").c_str(), "r"),
                                                     std::fclose);
    char name[32] = "";
    if (!file || !std::fgets(name, sizeof name, file.get()) || name != "package-" + id) return {};
    paths.push_back(path);
  }
  return exists(root + "/intel-rapl/intel-rapl:" + std::to_string(ids.size())) ? Paths{} : paths;
}

/// By name alone.
Paths listed_names(const std::string& root) {
  Paths paths;
  static const std::regex zone("intel-rapl:\\d+(:\\d+)?");
  for (const auto& entry : entries(root))
    if (std::regex_match(entry.name, zone)) paths.push_back(root + "/" + entry.name);
  return paths;
}

/// By the type in the directory, without stat: what has no type is passed over.
Paths flat_types(const std::string& root) {
  Paths paths;
  for (const auto& entry : entries(root))
    if ((entry.type == DT_LNK || entry.type == DT_DIR) && entry.name.starts_with("intel-rapl:"))
      paths.push_back(root + "/" + entry.name);
  return paths;
}

void add_nested_types(const std::string& directory, Paths& paths) {
  for (const auto& entry : entries(directory))
    if (entry.type == DT_DIR && entry.name.starts_with("intel-rapl:")) {
      const auto path = directory + "/" + entry.name;
      paths.push_back(path);
      add_nested_types(path, paths);
    }
}

Paths nested_types(const std::string& root) {
  Paths paths;
  add_nested_types(root + "/intel-rapl", paths);
  return paths;
}

Paths* walked = nullptr;

int visit(const char* path, const struct stat*, int kind, FTW*) {
  const std::string file(path);
  const auto end = file.rfind("/energy_uj");
  if (kind == FTW_F && end != std::string::npos && end + 10 == file.size())
    walked->push_back(file.substr(0, end));
  return 0;
}

/// find(1): every file called energy_uj, no link followed.
Paths find_files(const std::string& root) {
  Paths paths;
  walked = &paths;
  if (::nftw((root + "/intel-rapl").c_str(), visit, 16, FTW_PHYS) != 0) fail(root);
  return paths;
}

/// Python's os.walk(): what is a directory behind a link is listed as one, and not entered.
void add_walked(const std::string& directory, Paths& paths) {
  for (const auto& entry : entries(directory)) {
    const auto path = directory + "/" + entry.name;
    if (entry.name == "energy_uj") paths.push_back(directory);
    if (entry.type == DT_DIR) add_walked(path, paths);
  }
}

Paths os_walk(const std::string& root) {
  Paths paths;
  add_walked(root + "/intel-rapl", paths);
  return paths;
}

/// Through the control type's link back to the class.
Paths through_subsystem(const std::string& root) {
  return listed_names(root + "/intel-rapl/subsystem");
}

// ---- how a counter is read: a function that gives its text, now and later ----

using Reader = std::function<std::string()>;

int opened(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (descriptor < 0) fail(path);
  return descriptor;
}

template <int flags>
Reader each_time(const std::string& path) {
  return [path] {
    const int descriptor = opened(path, flags);
    char text[64];
    const auto size = ::read(descriptor, text, sizeof text);
    ::close(descriptor);
    if (size < 0) fail(path);
    return std::string(text, static_cast<std::size_t>(size));
  };
}

Reader kept_with_seek(const std::string& path) {
  return [path, descriptor = opened(path, 0)] {
    char text[64];
    if (::lseek(descriptor, 0, SEEK_SET) != 0) fail(path);
    const auto size = ::read(descriptor, text, sizeof text);
    if (size < 0) fail(path);
    return std::string(text, static_cast<std::size_t>(size));
  };
}

Reader kept_with_pread(const std::string& path) {
  return [path, descriptor = opened(path, O_NOFOLLOW)] {
    char text[64];
    const auto size = ::pread(descriptor, text, sizeof text, 0);
    if (size < 0) fail(path);
    return std::string(text, static_cast<std::size_t>(size));
  };
}

Reader kept_stream(const std::string& path) {
  FILE* const file = std::fopen(path.c_str(), "r");
  if (file == nullptr) fail(path);
  return [path, file] {
    char text[64];
    std::rewind(file);
    std::fflush(file);
    if (std::fgets(text, sizeof text, file) == nullptr) fail(path);
    return std::string(text);
  };
}

struct Way {
  const char* name;
  Paths (*find)(const std::string& root);
  Reader (*read)(const std::string& path);
};

constexpr Way ways[] = {
    {"glob-flat", glob_flat, each_time<0>},
    {"glob-nested", glob_nested, each_time<0>},
    {"fixed-nested", fixed_nested, each_time<0>},
    {"names", listed_names, each_time<0>},
    {"subsystem", through_subsystem, each_time<0>},
    {"find", find_files, each_time<0>},
    {"os-walk", os_walk, each_time<0>},
    {"d-type-nested", nested_types, each_time<0>},
    {"kept-stream", flat_types, kept_stream},
    {"kept-seek", fixed_nested, kept_with_seek},
    {"sockets", sockets, kept_with_seek},
    {"o-sync", glob_flat, each_time<O_SYNC>},
    {"o-nofollow", nested_types, each_time<O_NOFOLLOW>},
    {"kept-pread", nested_types, kept_with_pread},
};

struct Zone {
  const char* way;
  std::string directory;
  std::string name;
  Reader read;
};

std::string line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// A way that fails does not keep the others from trying.
template <typename Try>
void attempt(const char* way, Try work) {
  try {
    work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s %s\n", way, error.what());
  }
}

std::vector<Zone> all_zones(const std::string& root) {
  std::vector<Zone> zones;
  for (const auto& way : ways)
    attempt(way.name, [&] {
      for (const auto& path : way.find(root))
        zones.push_back({way.name, path.substr(path.rfind('/') + 1),
                         line(each_time<0>(path + "/name")()), way.read(path + "/energy_uj")});
    });
  return zones;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: ways_of_reading ROOT SAMPLES SECONDS\n");
    return 2;
  }
  const auto zones = all_zones(argv[1]);
  for (int sample = 0; sample < std::atoi(argv[2]); ++sample) {
    if (sample > 0) std::this_thread::sleep_for(std::chrono::duration<double>(std::atof(argv[3])));
    for (const auto& zone : zones)
      attempt(zone.way, [&] {
        std::printf("%s %d %s %s %s\n", zone.way, sample, zone.directory.c_str(), zone.name.c_str(),
                    line(zone.read()).c_str());
      });
  }
  return 0;
}
