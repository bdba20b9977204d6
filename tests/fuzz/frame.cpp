// SPDX-License-Identifier: Apache-2.0
// Frames on the control socket, from the hook and from the command.
#include "common/wire/frame.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto frame = decode(fuzz::as_text(data, size));
  if (!frame) {
    law(frame.error().code == EPROTO || frame.error().code == EMSGSIZE, "a refusal is of two kinds");
    return 0;
  }
  law(size <= max_frame_size, "what is longer than a frame is none");
  const auto bytes = encode(*frame);
  law(bytes.has_value(), "what was read can be written");
  law(bytes->size() == size, "nothing is lost and nothing added");
  law(decode(*bytes) == *frame, "a frame written and read again is the same");
  return 0;
}
