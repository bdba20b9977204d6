// SPDX-License-Identifier: Apache-2.0
// Inode numbers: a pure function of (VM, file), so that any server gives and understands the same.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "common/base/result.hpp"
#include "common/base/uuid.hpp"
#include "common/model/energy_domain.hpp"
#include "common/model/vm.hpp"

namespace vpowercap {

/// What an inode is within its directory. The values are part of inode numbers that kernels and guests
/// hold over upgrades: never renumber, never reuse, stay below 64.
enum class File : std::uint8_t {
  directory = 0,
  name = 1,
  energy_uj = 2,
  max_energy_range_uj = 3,
  enabled = 4,
  uevent = 5,
  constraint_0_name = 6,
  constraint_0_power_limit_uw = 7,
  constraint_0_time_window_us = 8,
  constraint_0_max_power_uw = 9,
  constraint_1_name = 10,
  constraint_1_power_limit_uw = 11,
  constraint_1_time_window_us = 12,
  constraint_1_max_power_uw = 13,
  subsystem = 14,
  device = 15,
  power = 16,
  power_control = 17,
  power_runtime_status = 18,
  power_runtime_active_time = 19,
  power_runtime_suspended_time = 20,
  flat_link = 21,  ///< the link beside intel-rapl that leads to this zone
};

/// Where in a VM's tree: its root, the control type, or a zone of one virtual socket and domain.
struct Place {
  std::uint16_t code = 0;

  static constexpr Place vm() { return {0}; }
  static constexpr Place control_type() { return {1}; }
  static constexpr Place zone(std::uint32_t socket, EnergyDomain domain) {
    return {static_cast<std::uint16_t>(2 + socket * virtual_domains.size() +
                                       static_cast<unsigned>(domain))};
  }
  [[nodiscard]] constexpr bool is_zone() const { return code >= 2; }
  /// Only of a zone.
  [[nodiscard]] constexpr std::uint32_t socket() const {
    return (code - 2u) / static_cast<std::uint32_t>(virtual_domains.size());
  }
  [[nodiscard]] constexpr EnergyDomain domain() const {
    return virtual_domains[(code - 2u) % virtual_domains.size()];
  }

  bool operator==(const Place&) const = default;
};

/// One inode of a VM's tree, whichever VM.
struct Node {
  Place place;
  File file = File::directory;

  bool operator==(const Node&) const = default;
};

/// FUSE's number of an inode. 1 is the root, which lists the VMs; all others are
/// (48 bits of the UUID's hash) << 16 | (place << 6 | file), and never below 2^16.
using NodeId = std::uint64_t;
inline constexpr NodeId root_id = 1;

NodeId node_id(const Uuid& uuid, Node node);
/// The inode `node` in the same VM's tree as `sibling` (not the root).
NodeId node_id(NodeId sibling, Node node);
/// Which inode of its VM's tree this is. Nothing for the root and for numbers that node_id() never
/// gives.
std::optional<Node> node_of(NodeId id);

/// The UUID among `known` whose tree `id` (not the root) lies in; nothing when none is known: then the
/// tree is an empty one. Errors: ESTALE when two of them would fit (some 1 in 2^31 hosts with 512 VMs:
/// UUIDs are made by the provider, and better no energy than another VM's).
Result<std::optional<Uuid>> owner_of(NodeId id, std::span<const Uuid> known);

}  // namespace vpowercap
