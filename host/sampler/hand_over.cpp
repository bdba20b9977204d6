// SPDX-License-Identifier: Apache-2.0
// Parsing and applying of a hand-over.
#include "host/sampler/hand_over.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace vpowercap {
namespace {

using Json = nlohmann::json;

constexpr int version = 1;
/// A kilowatt for 146 years: what no counter reaches, with room for what is added to it.
constexpr std::uint64_t most_uj = std::uint64_t{1} << 62;

tl::unexpected<Error> bad(const std::string& what) {
  return fail(EPROTO, "the state is not one of `vpowercap state export`: " + what);
}

std::optional<std::uint64_t> number(const Json& object, const char* name, std::uint64_t most) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_unsigned()) return std::nullopt;
  const auto value = found->get<std::uint64_t>();
  return value <= most ? std::optional(value) : std::nullopt;
}

Result<HandOver::Counter> read_counter(const Json& json) {
  if (!json.is_object()) return bad("\"counters\" has what is no object");
  const auto socket = number(json, "socket", max_virtual_sockets - 1);
  if (!socket) return bad("\"socket\" is not 0 to " + std::to_string(max_virtual_sockets - 1));
  const auto shown = number(json, "microjoules", most_uj);
  if (!shown) return bad("\"microjoules\" is not 0 to " + std::to_string(most_uj));
  const auto name = json.value("domain", Json());
  for (const auto domain : virtual_domains)
    if (name == to_string(domain))
      return HandOver::Counter{static_cast<std::uint32_t>(*socket), domain, *shown};
  return bad("\"domain\" is none of package, core, uncore, dram");
}

}  // namespace

Result<HandOver> parse_hand_over(std::string_view text) {
  if (text.size() > max_hand_over_size)
    return bad("it is longer than " + std::to_string(max_hand_over_size) + " bytes");
  const auto json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return bad("no JSON object");
  if (json.value("vpowercap_state", Json()) != version)
    return bad("\"vpowercap_state\" is not " + std::to_string(version));
  const auto id = json.value("uuid", Json());
  const auto uuid = id.is_string() ? Uuid::parse(id.get<std::string>()) : std::nullopt;
  if (!uuid) return bad("\"uuid\" is no UUID");
  const auto counters = json.find("counters");
  if (counters == json.end() || !counters->is_array() ||
      counters->size() > max_virtual_sockets * virtual_domains.size())
    return bad("\"counters\" is no list of at most " +
               std::to_string(max_virtual_sockets * virtual_domains.size()));
  HandOver state{*uuid, {}};
  for (const auto& item : *counters) {
    const auto counter = read_counter(item);
    if (!counter) return tl::unexpected(counter.error());
    state.counters.push_back(*counter);
  }
  return state;
}

std::string print_hand_over(const HandOver& state) {
  auto counters = Json::array();
  for (const auto& counter : state.counters)
    counters.push_back({{"socket", counter.socket},
                        {"domain", to_string(counter.domain)},
                        {"microjoules", counter.shown_uj}});
  return Json{{"vpowercap_state", version},
              {"uuid", state.uuid.to_string()},
              {"counters", std::move(counters)}}
      .dump();
}

void go_on_from(VmRecord& record, const HandOver& state) {
  for (const auto& counter : state.counters) {
    if (counter.socket >= record.sockets) continue;
    auto& zone = record.zone(counter.socket, counter.domain);
    zone.shown_uj = std::max(zone.shown_uj, counter.shown_uj);
    zone.published_uj = std::max(zone.published_uj, published_value(zone.shown_uj, record.quantum_uj));
  }
}

}  // namespace vpowercap
