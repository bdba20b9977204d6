// SPDX-License-Identifier: Apache-2.0
// What a guest's virtiofsd sees of its source directory: a mount namespace of its own, made once.
#pragma once

#include <sys/types.h>

#include <string>

#include "common/base/unique_fd.hpp"

namespace vpowercap::testing {

/// A process that does with `source` what virtiofsd does: a namespace of its own, slave of ours, and a
/// recursive bind of the source as the only thing it knows. Ends with the object.
class GuestView {
 public:
  explicit GuestView(const std::string& source);
  ~GuestView();
  GuestView(const GuestView&) = delete;
  GuestView& operator=(const GuestView&) = delete;

  /// The content of a file below the source, or "error N".
  [[nodiscard]] std::string read(const std::string& path);

 private:
  pid_t pid_ = -1;
  UniqueFd requests_;
  UniqueFd answers_;
};

}  // namespace vpowercap::testing
