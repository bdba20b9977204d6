// SPDX-License-Identifier: Apache-2.0
// Encoding and decoding of frames.
#include "common/wire/frame.hpp"

#include <algorithm>
#include <optional>

namespace vpowercap {
namespace {

constexpr std::string_view magic = "VPC1";
constexpr std::size_t max_fields = 32;

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

void put(std::string& out, std::string_view text) {
  out += text;
  out += '\0';
}

/// Takes the text up to the next NUL off the front of `bytes`.
std::optional<std::string_view> take(std::string_view& bytes) {
  const auto end = bytes.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const auto text = bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  return text;
}

}  // namespace

std::string_view Frame::get(std::string_view name) const {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

Result<std::string> encode(const Frame& frame) {
  if (!is_name(frame.kind)) return fail(EINVAL, "a frame's kind is 1 to 32 of [a-z0-9-]");
  if (frame.fields.size() > max_fields) return fail(EINVAL, "a frame has at most 32 fields");
  std::string out;
  put(out, magic);
  put(out, frame.kind);
  for (const auto& [name, value] : frame.fields) {
    if (!is_name(name)) return fail(EINVAL, "a field's name is 1 to 32 of [a-z0-9-]");
    if (value.find('\0') != std::string::npos)
      return fail(EINVAL, "the field " + name + " holds a NUL byte");
    put(out, name);
    put(out, value);
  }
  if (out.size() > max_frame_size) return fail(EMSGSIZE, "the message is longer than a frame");
  return out;
}

Result<Frame> decode(std::string_view bytes) {
  if (bytes.size() > max_frame_size) return fail(EMSGSIZE, "the message is longer than a frame");
  if (take(bytes) != magic) return fail(EPROTO, "the message does not start with VPC1");
  const auto kind = take(bytes);
  if (!kind || !is_name(*kind)) return fail(EPROTO, "the message has no valid kind");
  Frame frame{std::string(*kind), {}};
  while (!bytes.empty()) {
    const auto name = take(bytes);
    if (!name || !is_name(*name)) return fail(EPROTO, "the message has an invalid field name");
    const auto value = take(bytes);
    if (!value) return fail(EPROTO, "the message ends within field " + std::string(*name));
    if (frame.fields.size() == max_fields) return fail(EPROTO, "the message has over 32 fields");
    if (!frame.fields.emplace(*name, *value).second)
      return fail(EPROTO, "the message has field " + std::string(*name) + " twice");
  }
  return frame;
}

}  // namespace vpowercap
