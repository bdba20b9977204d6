// SPDX-License-Identifier: Apache-2.0
// Text form of UUIDs.
#include "common/base/uuid.hpp"

namespace vpowercap {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

bool is_dash_position(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

}  // namespace

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid;
  std::size_t nibble = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_dash_position(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const char c = text[i] >= 'A' && text[i] <= 'F' ? static_cast<char>(text[i] + 32) : text[i];
    const auto value = digits.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    uuid.bytes[nibble / 2] |= static_cast<std::uint8_t>(value << (nibble % 2 ? 0 : 4));
    ++nibble;
  }
  return uuid;
}

std::string Uuid::to_string() const {
  std::string text;
  text.reserve(36);
  for (const auto byte : bytes) {
    if (is_dash_position(text.size())) text += '-';
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace vpowercap
