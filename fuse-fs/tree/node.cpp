// SPDX-License-Identifier: Apache-2.0
// Computing and decoding inode numbers.
#include "fuse-fs/tree/node.hpp"

#include <cstring>

namespace vpowercap {
namespace {

constexpr unsigned node_bits = 16;
constexpr unsigned file_bits = 6;
constexpr NodeId node_mask = (NodeId{1} << node_bits) - 1;
constexpr std::uint32_t places = 2 + max_virtual_sockets * virtual_domains.size();
static_assert(places << file_bits <= node_mask);

/// A bijection of 64 bits in which every bit depends on every other (the finaliser of SplitMix64:
/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

NodeId vm_bits(const Uuid& uuid) {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::memcpy(&low, uuid.bytes.data(), sizeof low);
  std::memcpy(&high, uuid.bytes.data() + sizeof low, sizeof high);
  const auto bits = mixed(mixed(low) + 0x9e3779b97f4a7c15 + high) & ~node_mask;
  return bits != 0 ? bits : NodeId{1} << node_bits;
}

NodeId node_code(Node node) {
  return (static_cast<NodeId>(node.place.code) << file_bits) | static_cast<NodeId>(node.file);
}

}  // namespace

NodeId node_id(const Uuid& uuid, Node node) { return vm_bits(uuid) | node_code(node); }

NodeId node_id(NodeId sibling, Node node) { return (sibling & ~node_mask) | node_code(node); }

std::optional<Node> node_of(NodeId id) {
  const auto place = (id & node_mask) >> file_bits;
  const auto file = id & ((NodeId{1} << file_bits) - 1);
  if (id <= node_mask || place >= places || file > static_cast<NodeId>(File::flat_link))
    return std::nullopt;
  return Node{{static_cast<std::uint16_t>(place)}, static_cast<File>(file)};
}

Result<std::optional<Uuid>> owner_of(NodeId id, std::span<const Uuid> known) {
  std::optional<Uuid> owner;
  for (const auto& uuid : known) {
    if (vm_bits(uuid) != (id & ~node_mask) || owner == uuid) continue;
    if (owner)
      return fail(ESTALE, owner->to_string() + " and " + uuid.to_string() +
                              " share their inode numbers: give one of the VMs another UUID");
    owner = uuid;
  }
  return owner;
}

}  // namespace vpowercap
