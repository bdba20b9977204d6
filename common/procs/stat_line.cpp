// SPDX-License-Identifier: Apache-2.0
// Parsing of stat lines and thread names.
#include "common/procs/stat_line.hpp"

#include <charconv>
#include <string>

#include "common/base/file.hpp"
#include "common/base/utf8.hpp"

namespace vpowercap {

Result<StatLine> StatLine::parse(std::string_view text) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (!text.ends_with('\n') || open == std::string_view::npos || close == std::string_view::npos ||
      close < open || !text.substr(close + 1).starts_with(' '))
    return fail(EPROTO, "holds \"" + printable(text) + "\", which is no stat line");
  return StatLine(text.substr(open + 1, close - open - 1), without_newline(text.substr(close + 2)));
}

Result<std::uint64_t> StatLine::field(unsigned number) const {
  std::string_view rest = rest_;
  for (unsigned at = 3; at < number; ++at) {
    const std::size_t blank = rest.find(' ');
    if (blank == std::string_view::npos) return fail(EPROTO, "has no field " + std::to_string(number));
    rest.remove_prefix(blank + 1);
  }
  const auto value = parse_u64(rest.substr(0, rest.find(' ')));
  if (!value) return fail(EPROTO, "field " + std::to_string(number) + " " + value.error().message);
  return *value;
}

std::optional<std::uint32_t> vcpu_of(std::string_view comm) {
  constexpr std::string_view prefix = "CPU ";
  if (!comm.starts_with(prefix)) return std::nullopt;
  comm.remove_prefix(prefix.size());
  std::uint32_t vcpu = 0;
  const auto [end, error] = std::from_chars(comm.data(), comm.data() + comm.size(), vcpu);
  if (error != std::errc()) return std::nullopt;
  comm.remove_prefix(static_cast<std::size_t>(end - comm.data()));
  if (comm != "/KVM" && comm != "/TCG") return std::nullopt;
  return vcpu;
}

}  // namespace vpowercap
