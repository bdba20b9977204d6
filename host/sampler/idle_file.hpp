// SPDX-License-Identifier: Apache-2.0
// The file in which learned idle power outlives the daemon.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.hpp"
#include "host/sampler/idle_learner.hpp"

namespace vpowercap {

/// What an idle file says. nullopt: it is none of print_idle_memory()'s.
std::optional<IdleLearner::Memory> parse_idle_memory(std::string_view text);
/// The text of an idle file. Bytes of names that are no UTF-8 become U+FFFD.
std::string print_idle_memory(const IdleLearner::Memory& memory);

/// DIR/idle.json: {"version": 1, "zones": [{"name": ..., "cells": [[class, lowest µW, ticks], ...]}]}.
/// Replaced whole by a rename. Not thread-safe.
class IdleFile {
 public:
  explicit IdleFile(const std::string& directory)
      : directory_(directory), path_(directory + "/idle.json") {}

  [[nodiscard]] const std::string& path() const { return path_; }

  /// Errors: ENOENT when there is none; EPROTO when it is not what save() writes; those of reading.
  /// Each names the file.
  [[nodiscard]] Result<IdleLearner::Memory> load() const;

  /// Writes when there is something that the last save() has not written; makes the directory when it
  /// is missing. Errors: those of writing, naming the file.
  Result<void> save(const IdleLearner::Memory& memory);

 private:
  std::string directory_;
  std::string path_;
  std::string written_;
};

}  // namespace vpowercap
