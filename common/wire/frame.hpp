// SPDX-License-Identifier: Apache-2.0
// The messages between our own programs: one datagram, a few named fields, everything bounded.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "common/base/result.hpp"

namespace vpowercap {

/// Longest frame in bytes; larger ones are neither made nor accepted.
inline constexpr std::size_t max_frame_size = 160 * 1024;

/// A message: its kind and its fields. Values may hold any byte but NUL.
///
/// On the wire: "VPC1", NUL, kind, NUL, then name, NUL, value, NUL for each field.
/// Kinds and names are 1 to 32 bytes of [a-z0-9-]; at most 32 fields; no name twice.
struct Frame {
  std::string kind;
  std::map<std::string, std::string, std::less<>> fields;

  /// The field's value, or "" when it is absent.
  [[nodiscard]] std::string_view get(std::string_view name) const;

  bool operator==(const Frame&) const = default;
};

/// Errors: EMSGSIZE (above max_frame_size), EINVAL (a name or value that cannot be carried).
Result<std::string> encode(const Frame& frame);

/// Errors: EPROTO with the reason; EMSGSIZE.
Result<Frame> decode(std::string_view bytes);

}  // namespace vpowercap
