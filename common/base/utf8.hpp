// SPDX-License-Identifier: Apache-2.0
// Text that came from outside: what of it is valid UTF-8, and what may be shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vpowercap {

/// Length in bytes of the valid UTF-8 sequence at the start of `text` (RFC 3629, section 4: no overlong
/// forms, no surrogates); 0 where there is none, or `text` is empty.
std::size_t utf8_sequence_length(std::string_view text);

/// `bytes` with everything that is not valid UTF-8 replaced by U+FFFD, byte by byte.
std::string valid_utf8(std::string_view bytes);

/// `text` for messages and terminals: control characters (C0, DEL, C1), characters that change the
/// direction of writing, quotes, backslashes and invalid UTF-8 as \xNN; cut at `limit` bytes.
std::string printable(std::string_view text, std::size_t limit = 80);

}  // namespace vpowercap
