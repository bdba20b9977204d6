// SPDX-License-Identifier: Apache-2.0
// Names from outside made fit for formats that demand UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace vpowercap {

/// `bytes` with each byte that is no part of a valid UTF-8 sequence (RFC 3629: no overlong forms, no
/// surrogates, nothing above U+10FFFF) replaced by U+FFFD. Valid text comes back unchanged.
std::string valid_utf8(std::string_view bytes);

}  // namespace vpowercap
