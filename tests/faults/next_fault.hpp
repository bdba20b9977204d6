// SPDX-License-Identifier: Apache-2.0
// What the wrapped system calls ask before each. A program is linked with --wrap for them, and with one
// answer: injector.cpp or random_faults.cpp.
#pragma once

#include <string>

namespace vpowercap::testing {

/// How a call goes wrong: an errno, or a read that gives too little or nonsense.
struct FaultKind {
  const char* name;
  int error;  ///< errno; 0 for the three that follow
  enum class Read { none, shortened, empty, garbage } read = Read::none;
};

inline constexpr FaultKind fault_kinds[] = {
    {"EIO", 5},
    {"ENODATA", 61},
    {"EINTR", 4},
    {"ENOENT", 2},
    {"ESRCH", 3},
    {"EACCES", 13},
    {"EMFILE", 24},
    {"ENOMEM", 12},
    {"short", 0, FaultKind::Read::shortened},
    {"empty", 0, FaultKind::Read::empty},
    {"garbage", 0, FaultKind::Read::garbage},
};

/// A call of the program under test.
enum class Call { open, look, list, read };

/// Only a read can give too little or nonsense.
inline bool can_go_wrong(Call call, const FaultKind& kind) {
  return call == Call::read || kind.error != 0;
}

/// False: nothing is going to go wrong, and next_fault() need not be asked.
bool watches_calls();
/// What shall go wrong with this call: nothing, mostly. Leaves errno as it is.
const FaultKind* next_fault(Call call, const std::string& path);

}  // namespace vpowercap::testing
