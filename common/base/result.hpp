// SPDX-License-Identifier: Apache-2.0
// The error type of everything whose failure is normal life: a code and a sentence.
#pragma once

#include <cerrno>
#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace vpowercap {

/// A failure: an errno value for programs and a sentence for people.
/// The sentence names the file or field and, where there is something to do, what to do.
struct [[nodiscard]] Error {
  int code = EIO;
  std::string message;
  /// What fails, when the sentence is another one each time: the log tells of it once a minute.
  std::string key = {};
};

template <typename T>
using Result = tl::expected<T, Error>;

/// Makes the failing branch of a Result.
[[nodiscard]] inline tl::unexpected<Error> fail(int code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

/// As fail(), with ": " and the text of `code` (strerror) added to the sentence.
[[nodiscard]] tl::unexpected<Error> fail_errno(int code, std::string message);

}  // namespace vpowercap
