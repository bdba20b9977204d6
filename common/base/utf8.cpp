// SPDX-License-Identifier: Apache-2.0
// UTF-8 validation by RFC 3629, section 4, and escaping for people's eyes.
#include "common/base/utf8.hpp"

#include <cstdio>

namespace vpowercap {
namespace {

bool within(unsigned char c, unsigned low, unsigned high) { return c >= low && c <= high; }

/// Whether a valid sequence is one that a terminal obeys instead of showing: C0, DEL, C1 (U+0080 to
/// U+009F) and the bidirectional controls of Unicode Annex 9.
bool is_obeyed(std::string_view sequence) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 1) return at(0) < 0x20 || at(0) == 0x7f;
  if (sequence.size() == 2) return at(0) == 0xc2 && at(1) < 0xa0;
  if (sequence.size() != 3 || at(0) != 0xe2) return false;
  return (at(1) == 0x80 && (within(at(2), 0x8e, 0x8f) || within(at(2), 0xaa, 0xae))) ||
         (at(1) == 0x81 && within(at(2), 0xa6, 0xa9));
}

}  // namespace

std::size_t utf8_sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
  };
  const auto tail = [&](std::size_t i) { return within(at(i), 0x80, 0xbf); };
  if (text.empty()) return 0;
  const unsigned char lead = at(0);
  if (lead < 0x80) return 1;
  if (within(lead, 0xc2, 0xdf)) return tail(1) ? 2 : 0;
  if (within(lead, 0xe0, 0xef)) {
    const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned high = lead == 0xed ? 0x9f : 0xbf;
    return within(at(1), low, high) && tail(2) ? 3 : 0;
  }
  if (within(lead, 0xf0, 0xf4)) {
    const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
    return within(at(1), low, high) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

std::string valid_utf8(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const std::size_t length = utf8_sequence_length(bytes);
    if (length == 0) text += "\xef\xbf\xbd";
    else text += bytes.substr(0, length);
    bytes.remove_prefix(length == 0 ? 1 : length);
  }
  return text;
}

std::string printable(std::string_view text, std::size_t limit) {
  std::string shown;
  while (!text.empty()) {
    if (shown.size() >= limit) return shown + "...";
    const std::size_t length = utf8_sequence_length(text);
    const auto sequence = text.substr(0, length == 0 ? 1 : length);
    if (length == 0 || is_obeyed(sequence) || sequence == "\"" || sequence == "\\") {
      for (const char c : sequence) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(c));
        shown += escape;
      }
    } else {
      shown += sequence;
    }
    text.remove_prefix(sequence.size());
  }
  return shown;
}

}  // namespace vpowercap
