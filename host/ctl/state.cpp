// SPDX-License-Identifier: Apache-2.0
// Export from the ledger, import through the daemon.
#include "host/ctl/state.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/utf8.hpp"
#include "host/control/control_server.hpp"

namespace vpowercap {
namespace {

using Json = nlohmann::ordered_json;

/// More than the longest state, less than a frame of the control socket takes.
constexpr std::size_t max_size = 64 * 1024;

Result<std::string> read_all(std::FILE* input) {
  std::string text(max_size + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), input));
  if (std::ferror(input) != 0) return fail(EIO, "cannot read the state from standard input");
  if (text.size() > max_size) return fail(EPROTO, "standard input is longer than any state");
  return text;
}

}  // namespace

std::string state_json(const VmRecord& vm) {
  auto counters = Json::array();
  for (std::uint32_t socket = 0; socket < vm.sockets; ++socket)
    for (const auto domain : virtual_domains) {
      if (!vm.has(domain)) continue;
      const auto& zone = vm.zone(socket, domain);
      const auto owed = static_cast<std::uint64_t>(std::max<std::int64_t>(0, zone.owed_uj));
      counters.push_back({{"socket", socket},
                          {"domain", to_string(domain)},
                          {"microjoules", std::max(zone.published_uj, zone.shown_uj + owed)}});
    }
  const Json json{{"vpowercap_state", 1},
                  {"uuid", vm.uuid.to_string()},
                  {"name", vm.name.view()},
                  {"counters", std::move(counters)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<std::string> import_state(const std::string& control, const std::string& uuid,
                                 std::FILE* input) {
  const auto wanted = Uuid::parse(uuid);
  if (!wanted) return fail(EINVAL, "\"" + printable(uuid) + "\" is no UUID");
  const auto text = read_all(input);
  if (!text) return text;
  const auto json = Json::parse(*text, nullptr, false);
  const auto name = json.is_object() ? json.value("uuid", Json()) : Json();
  if (!name.is_string() || Uuid::parse(name.get<std::string>()) != *wanted)
    return fail(EPROTO, "standard input is not the state of " + wanted->to_string());
  const auto answer = control_request(control, {"import-state", {{"state", *text}}});
  if (!answer) return tl::unexpected(answer.error());
  if (answer->kind != "done") return fail(EPROTO, std::string(answer->get("message")));
  return wanted->to_string() + " goes on from " + std::to_string(json["counters"].size()) +
         " counters, now or when it comes within ten minutes\n";
}

}  // namespace vpowercap
