// SPDX-License-Identifier: Apache-2.0
// Sentences for failed system calls.
#include "common/base/result.hpp"

#include <system_error>

namespace vpowercap {

tl::unexpected<Error> fail_errno(int code, std::string message) {
  message += ": ";
  message += std::generic_category().message(code);
  return fail(code, std::move(message));
}

}  // namespace vpowercap
