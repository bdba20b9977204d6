// SPDX-License-Identifier: Apache-2.0
// Looking agents up and saying what each needs.
#include "guest/mount/known_agents.hpp"

#include <strings.h>
#include <sys/stat.h>

#include <string>

#include "guest/mount/private_view.hpp"

namespace vpowercap {
namespace {

bool contains(std::string_view text, std::string_view word) {
  for (std::size_t at = 0; at + word.size() <= text.size(); ++at)
    if (::strncasecmp(text.data() + at, word.data(), word.size()) == 0) return true;
  return false;
}

bool has_zones_at(std::string_view place) {
  struct stat found{};
  return ::stat((std::string(place) + "/intel-rapl").c_str(), &found) == 0;
}

/// The place of a table's path, or "" for what is none of ours.
std::string_view place_of(std::string_view reads) {
  for (const std::string_view place : {class_place, devices_place})
    if (reads.starts_with(place)) return place;
  return "";
}

std::string how_to_point(const KnownAgent& agent, const GuestShare& share) {
  std::string how = "vpowercap-guest ";
  if (share.target != class_place) how += "--target " + share.target + " ";
  how += "run COMMAND shows it the share there";
  for (const auto& other : other_places())
    if (agent.name.starts_with(other.agent)) how += ", or: " + std::string(other.how);
  return how;
}

}  // namespace

std::vector<KnownAgent> find_agents(std::string_view word) {
  std::vector<KnownAgent> found;
  for (const auto& agent : known_agents())
    if (contains(agent.name, word)) found.push_back(agent);
  return found;
}

void advise(std::span<const KnownAgent> agents, const GuestShare& share, const Report& report) {
  for (const auto& agent : agents) {
    const std::string name = std::string(agent.name) + " (" + std::string(agent.version) + ") ";
    const std::string reason(agent.reason);
    const auto place = place_of(agent.reads);
    if (agent.verdict == "cannot") report({false, "agent", name + "cannot work in a guest: " + reason});
    else if (!place.empty() && !has_zones_at(place))
      report({false, "agent",
              name + "reads " + std::string(place) +
                  ", which has no zones here: " + how_to_point(agent, share) + " (" + reason + ")"});
    else
      report(
          {true, "agent",
           name + (agent.verdict == "works" ? "works as it is: " : "works with an option: ") + reason});
  }
}

}  // namespace vpowercap
