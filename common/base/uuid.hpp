// SPDX-License-Identifier: Apache-2.0
// The identity of a virtual machine.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vpowercap {

/// A UUID (RFC 4122) as libvirt uses it: the only key of a VM.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  /// Parses the canonical text form, 36 characters with dashes at 8, 13, 18 and 23, in either case.
  /// Anything else, shorter forms and braces included, is no UUID.
  static std::optional<Uuid> parse(std::string_view text);
  /// As libvirt writes it: lower case with dashes.
  [[nodiscard]] std::string to_string() const;

  auto operator<=>(const Uuid&) const = default;
};

}  // namespace vpowercap
