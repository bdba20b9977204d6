// SPDX-License-Identifier: Apache-2.0
// Words and XML of a hook's call.
#include "libvirt-hooks/qemu_hook/call.hpp"

#include <algorithm>
#include <array>

namespace vpowercap {

std::optional<HookCall> parse_call(std::span<const char* const> words) {
  HookCall call;
  if (words.size() >= 2 && std::string_view(words[0]) == "--run-dir") {
    call.run_dir = words[1];
    words = words.subspan(2);
  }
  if (!words.empty() && std::string_view(words[0]) == "--") words = words.subspan(1);
  if (words.size() < 2) return std::nullopt;
  call.name = words[0];
  call.phase = words[1];
  if (words.size() > 2) call.sub = words[2];
  return call;
}

bool needs_share(std::string_view phase) {
  constexpr std::array<std::string_view, 5> phases{"prepare", "start", "reconnect", "migrate",
                                                   "restore"};
  return std::ranges::find(phases, phase) != phases.end();
}

std::optional<Uuid> find_uuid(std::string_view xml) {
  constexpr std::string_view tag = "<uuid>";
  const auto begin = xml.find(tag);
  if (begin == std::string_view::npos) return std::nullopt;
  const auto end = xml.find('<', begin + tag.size());
  if (end == std::string_view::npos) return std::nullopt;
  return Uuid::parse(xml.substr(begin + tag.size(), end - begin - tag.size()));
}

}  // namespace vpowercap
