// SPDX-License-Identifier: Apache-2.0
// PID/stat and PID/task/TID/stat.
#include "common/procs/stat_line.hpp"

#include <string>

#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

/// The word in field `number`, as proc(5) counts, of what stands behind the name.
std::string_view word(std::string_view rest, unsigned number) {
  for (unsigned at = 3; at < number; ++at) rest.remove_prefix(rest.find(' ') + 1);
  return rest.substr(0, rest.find(' '));
}

/// Whether `digits`, up to the line's end, are the number with any zeros before it.
bool is_printed(std::string_view digits, std::uint64_t value) {
  digits = digits.substr(0, digits.find('\n'));
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  return digits == std::to_string(value);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::as_text(data, size);
  const auto line = StatLine::parse(text);
  if (!line) {
    law(line.error().code == EPROTO && !line.error().message.empty(), "a refusal gives its reason");
    return 0;
  }
  const auto comm = line->comm();
  const auto open = static_cast<std::size_t>(comm.data() - text.data());
  law(open >= 1 && text[open - 1] == '(' && text[open + comm.size()] == ')', "the name is in ()");
  const auto rest = text.substr(open + comm.size() + 1);
  law(rest.find(')') == std::string_view::npos, "the last ) ends the name");
  for (unsigned number = 3; number <= 52; ++number) {
    const auto value = line->field(number);
    if (value) law(is_printed(word(rest.substr(1), number), *value), "a field is the number it shows");
    else law(value.error().code == EPROTO, "a field is a number or refused");
  }
  if (const auto vcpu = vcpu_of(comm))
    law(is_printed(comm.substr(4, comm.rfind('/') - 4), *vcpu), "a vCPU has the number in its name");
  return 0;
}
