// SPDX-License-Identifier: Apache-2.0
// What libvirt says when it calls the hook: words and a domain XML.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/base/uuid.hpp"

namespace vpowercap {

/// One call of the hook (libvirt's hooks.html): qemu NAME OPERATION SUB-OPERATION EXTRA.
struct HookCall {
  std::string run_dir;  ///< "" for the usual one
  std::string name;     ///< any text, "--help" and "-rf" included
  std::string phase;    ///< the operation: "prepare", "start", ...
  std::string sub;      ///< "begin" or "end"
};

/// Reads the words behind the program's name: [--run-dir DIR] [--] NAME OPERATION [SUB [EXTRA]].
/// Nothing when there is no operation.
std::optional<HookCall> parse_call(std::span<const char* const> words);

/// True for the phases before QEMU needs its share's directory, and for those after which it may have
/// been lost.
bool needs_share(std::string_view phase);

/// The first <uuid> in a domain XML: libvirt writes it straight after the name, in which every '<' is
/// escaped.
std::optional<Uuid> find_uuid(std::string_view xml);

}  // namespace vpowercap
