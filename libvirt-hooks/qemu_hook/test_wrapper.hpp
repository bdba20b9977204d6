// SPDX-License-Identifier: Apache-2.0
// For tests: the hook as it is installed.
#pragma once

#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "libvirt-hooks/qemu_hook/test_call.hpp"

namespace vpowercap {

/// The shell around the program, with `path` in the program's place.
struct Wrapper : Hook {
  void put(const std::string& path) {
    std::ifstream file(HOOK_WRAPPER);
    std::stringstream text;
    text << file.rdbuf();
    std::string script = text.str();
    for (const auto& [mark, value] :
         {std::pair<std::string, std::string>{"@program@", path}, {"@run_dir@", paths.run_dir}})
      script.replace(script.find(mark), mark.size(), value);
    dir.write("50-vpowercap", script);
    ::chmod(dir.path("50-vpowercap").c_str(), 0755);
    program = {dir.path("50-vpowercap")};
  }
  std::string script(const std::string& body) {
    dir.write("program", "#!/bin/sh\n" + body + "\n");
    ::chmod(dir.path("program").c_str(), 0755);
    return dir.path("program");
  }
};

}  // namespace vpowercap
