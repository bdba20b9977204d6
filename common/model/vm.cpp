// SPDX-License-Identifier: Apache-2.0
// Names of states and policies; vCPU to socket mapping.
#include "common/model/vm.hpp"

#include <algorithm>
#include <array>

namespace vpowercap {
namespace {

constexpr std::array<std::string_view, 4> states{"free", "starting", "running", "stopped"};
constexpr std::array<std::string_view, 4> policies{"reserved", "usage", "equal", "none"};
constexpr std::array<std::string_view, 3> views{"guest", "single", "host"};

template <typename E, std::size_t N>
std::string_view name_of(const std::array<std::string_view, N>& names, E value) {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? names[index] : "unknown";
}

template <typename E, std::size_t N>
std::optional<E> value_of(const std::array<std::string_view, N>& names, std::string_view text) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return std::nullopt;
  return static_cast<E>(found - names.begin());
}

}  // namespace

std::string_view to_string(VmState state) { return name_of(states, state); }
std::string_view to_string(IdlePolicy policy) { return name_of(policies, policy); }
std::string_view to_string(TopologyView view) { return name_of(views, view); }

std::optional<IdlePolicy> parse_idle_policy(std::string_view text) {
  return value_of<IdlePolicy>(policies, text);
}

std::optional<TopologyView> parse_topology_view(std::string_view text) {
  return value_of<TopologyView>(views, text);
}

std::uint32_t VmTopology::zones(TopologyView view, std::uint32_t host_packages) const {
  const auto plugged = plugged_sockets == 0 ? sockets : std::min(plugged_sockets, sockets);
  const std::uint32_t wanted = view == TopologyView::guest  ? plugged
                               : view == TopologyView::host ? host_packages
                                                            : 1;
  return wanted == 0 || wanted > max_virtual_sockets ? 1 : wanted;
}

std::uint32_t VmTopology::owned() const { return current == 0 ? vcpus : std::min(current, vcpus); }

std::uint32_t VmTopology::socket_of(std::uint32_t vcpu) const {
  if (sockets == 0) return 0;
  const std::uint32_t per_socket = std::max(1u, (vcpus + sockets - 1) / sockets);
  return std::min(vcpu / per_socket, sockets - 1);
}

}  // namespace vpowercap
