// SPDX-License-Identifier: Apache-2.0
#include "common/base/utf8.hpp"

namespace vpowercap {
namespace {

TEST(Printable, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("vm\n\x1b[31m\"x\""), "vm\\x0a\\x1b[31m\\x22x\\x22");
  EXPECT_EQ(printable("größe"), "größe");
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
}

TEST(Printable, EscapesWhatTurnsTheDirectionOfWriting) {
  EXPECT_EQ(printable("a\u202Eb"), "a\\xe2\\x80\\xaeb");
  EXPECT_EQ(printable("\u009b31m"), "\\xc2\\x9b31m");
}

TEST(Utf8SequenceLength, RefusesOverlongFormsAndSurrogates) {
  for (const char* text :
       {"\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"})
    EXPECT_EQ(utf8_sequence_length(text), 0u);
  EXPECT_EQ(utf8_sequence_length("\xf0\x9f\x94\x8b"), 4u);
  EXPECT_EQ(utf8_sequence_length(""), 0u);
}

}  // namespace
}  // namespace vpowercap
