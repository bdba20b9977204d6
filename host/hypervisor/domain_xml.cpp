// SPDX-License-Identifier: Apache-2.0
// Reading of domain XML with pugixml, which expands no entity and reads no DTD.
#include "host/hypervisor/domain_xml.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <pugixml.hpp>

#include "common/base/file.hpp"
#include "common/base/utf8.hpp"
#include "host/hypervisor/xml_names.hpp"

namespace vpowercap {
namespace {

constexpr std::size_t max_xml_size = 1024 * 1024;
constexpr std::uint64_t max_vcpus = 65535;
constexpr std::uint64_t max_quantum_uj = 1'000'000'000;  // a coarser counter stands still for hours

tl::unexpected<Error> wrong(const std::string& what, std::string_view value, const char* expected) {
  return fail(EPROTO, what + " is \"" + printable(value) + "\", expected " + expected);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

Result<std::uint32_t> count(const std::string& what, std::string_view text) {
  const auto number = parse_u64(trimmed(text));
  if (!number || *number < 1 || *number > max_vcpus)
    return wrong(what, text, "a number from 1 to 65535");
  return static_cast<std::uint32_t>(*number);
}

/// Number of the last vCPU that is plugged in.
std::uint32_t last_plugged(pugi::xml_node domain, const VmTopology& topology) {
  std::optional<std::uint32_t> last;
  for (const auto vcpu : domain.child("vcpus").children("vcpu")) {
    const auto number = parse_u64(vcpu.attribute("id").value());
    if (!number || *number >= topology.vcpus ||
        std::string_view(vcpu.attribute("enabled").value()) != "yes")
      continue;
    last = std::max(last.value_or(0), static_cast<std::uint32_t>(*number));
  }
  return last.value_or(topology.owned() - 1);  // without a list they are plugged in from the first on
}

Result<VmTopology> read_topology(pugi::xml_node domain) {
  VmTopology topology;
  if (const auto vcpu = domain.child("vcpu")) {
    const auto vcpus = count("<vcpu>", vcpu.child_value());
    if (!vcpus) return tl::unexpected(vcpus.error());
    topology.vcpus = *vcpus;
    if (const auto current = vcpu.attribute("current")) {
      const auto plugged = count("<vcpu current>", current.value());
      if (!plugged) return tl::unexpected(plugged.error());
      topology.current = std::min(*plugged, topology.vcpus);
    }
  }
  topology.sockets = topology.vcpus;
  if (const auto sockets = domain.child("cpu").child("topology").attribute("sockets")) {
    const auto number = count("<topology sockets>", sockets.value());
    if (!number) return tl::unexpected(number.error());
    topology.sockets = std::min(*number, topology.vcpus);
  }
  topology.plugged_sockets = topology.socket_of(last_plugged(domain, topology)) + 1;
  return topology;
}

Result<std::uint64_t> grid_ns(const std::string& what, std::string_view text) {
  double seconds = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || !(seconds >= 1 && seconds <= 3600)) return wrong(what, text, "seconds from 1 to 3600");
  return static_cast<std::uint64_t>(std::llround(seconds * 1e9));
}

/// Sets `chosen` to whether `value` is the second of two words.
Result<void> apply_choice(const std::string& what, std::string_view value,
                          std::array<const char*, 2> words, bool& chosen) {
  if (value != words[0] && value != words[1])
    return wrong(what, value, (std::string(words[0]) + " or " + words[1]).c_str());
  chosen = value == words[1];
  return {};
}

Result<void> apply(std::string_view name, std::string_view value, VmSettings& settings) {
  const std::string what = "<metadata><vm " + printable(name) + ">";
  if (name == "topology") {
    const auto view = parse_topology_view(value);
    if (!view) return wrong(what, value, "guest, single or host");
    settings.topology = *view;
  } else if (name == "grid") {
    const auto grid = grid_ns(what, value);
    if (!grid) return tl::unexpected(grid.error());
    settings.grid_ns = *grid;
  } else if (name == "quantum-uj") {
    const auto quantum = parse_u64(value);
    const auto most = std::min(max_quantum_uj, settings.max_energy_range_uj - 1);
    if (!quantum || *quantum < 1 || *quantum > most)
      return wrong(what, value, ("microjoules from 1 to " + std::to_string(most)).c_str());
    settings.quantum_uj = *quantum;
  } else if (name == "mode") {
    if (value == "0400") settings.energy_mode = 0400;
    else if (value == "0440") settings.energy_mode = 0440;
    else if (value == "0444") settings.energy_mode = 0444;
    else return wrong(what, value, "0400, 0440 or 0444");
  } else if (name == "off") {
    return apply_choice(what, value, {"no", "yes"}, settings.is_off);
  } else if (name == "zones") {
    return apply_choice(what, value, {"all", "package"}, settings.hides_subzones);
  } else if (name == "idle") {
    return apply_choice(what, value, {"shown", "hidden"}, settings.hides_idle);
  } else if (name == "neighbour-blind") {
    const auto seconds = parse_u64(value);
    if (!seconds || (*seconds != 0 && *seconds < 60) || *seconds > 3600)
      return wrong(what, value, "0 or seconds from 60 to 3600");
    settings.blind_seconds = static_cast<std::uint32_t>(*seconds);
  } else {
    return fail(EPROTO, what +
                            " is an attribute we do not know: topology, grid, quantum-uj, mode, off, "
                            "zones, idle and neighbour-blind are");
  }
  return {};
}

Result<VmSettings> read_metadata(pugi::xml_node domain, VmSettings settings) {
  bool seen = false;
  for (const auto element : domain.child("metadata").children()) {
    if (element.type() != pugi::node_element || namespace_of(element) != metadata_namespace) continue;
    const std::string name(local_name(element.name()));
    if (name != "vm")
      return fail(EPROTO, "<metadata><" + printable(name) + "> is an element we do not know: vm is");
    if (seen) return fail(EPROTO, "<metadata><vm> is there twice");
    seen = true;
    for (const auto attribute : element.attributes()) {
      if (declares_namespace(attribute.name())) continue;
      if (auto done = apply(attribute.name(), attribute.value(), settings); !done)
        return tl::unexpected(done.error());
    }
  }
  return settings;
}

}  // namespace

Result<VmDescription> parse_domain_xml(std::string_view xml, const VmSettings& defaults,
                                       std::optional<Error>& metadata_problem) {
  metadata_problem.reset();
  if (xml.size() > max_xml_size) return fail(EPROTO, "the domain XML is longer than 1 MiB");
  pugi::xml_document document;
  // A name may consist of blanks: keep them where they are all there is.
  const auto parsed = document.load_buffer(
      xml.data(), xml.size(), pugi::parse_default | pugi::parse_ws_pcdata_single, pugi::encoding_utf8);
  if (!parsed)
    return fail(EPROTO, "the domain XML is malformed at byte " + std::to_string(parsed.offset) + ": " +
                            parsed.description());
  const auto domain = document.child("domain");
  if (!domain) return fail(EPROTO, "the XML has no <domain> element");
  VmDescription vm;
  vm.state = VmState::starting;
  const std::string_view uuid = domain.child("uuid").child_value();
  const auto id = Uuid::parse(trimmed(uuid));
  if (!id) return wrong("<uuid>", uuid, "a UUID");
  vm.uuid = *id;
  vm.name = domain.child("name").child_value();
  if (vm.name.empty()) return fail(EPROTO, "<name> is missing or empty");
  const auto topology = read_topology(domain);
  if (!topology) return tl::unexpected(topology.error());
  vm.topology = *topology;
  const auto settings = read_metadata(domain, defaults);
  if (!settings) metadata_problem = settings.error();
  vm.settings = settings.value_or(defaults);
  return vm;
}

Result<VmDescription> parse_domain_xml(std::string_view xml, const VmSettings& defaults) {
  std::optional<Error> problem;
  auto vm = parse_domain_xml(xml, defaults, problem);
  if (vm && problem) return tl::unexpected(*problem);
  return vm;
}

}  // namespace vpowercap
