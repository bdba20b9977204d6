// SPDX-License-Identifier: Apache-2.0
// Answering by inode number.
#include "fuse-fs/session/filesystem.hpp"

#include <algorithm>

namespace vpowercap {
namespace {

constexpr Attributes root_attributes{FileType::directory, 0755, 2, 0};
constexpr Node vm_root{Place::vm(), File::directory};

/// Positions in the root go by inode number, so that VMs that come and go meanwhile neither hide nor
/// repeat others. 1 and 2 are those of "." and "..".
std::uint64_t root_position(NodeId id) { return (id >> 16) + 2; }

}  // namespace

struct Filesystem::Vm {
  Node node;
  std::optional<VmRecord> record;
  bool stale = false;
  bool has_ledger = true;

  [[nodiscard]] VmTree tree() const { return VmTree(record ? &*record : nullptr); }
  [[nodiscard]] Result<Inode> inode(NodeId sibling, Node which) const {
    const auto attributes = tree().attributes(which);
    if (!attributes) return fail(ENOENT, "no such file in the VM's tree");
    return Inode{node_id(sibling, which), *attributes, which.file == File::energy_uj};
  }
};

Result<Filesystem::Vm> Filesystem::vm_of(NodeId id) const {
  const auto node = node_of(id);
  if (!node) return fail(ENOENT, "no inode number of ours");
  Vm vm{*node, std::nullopt, false};
  const auto ledger = ledger_.current();
  if (!ledger) {
    vm.has_ledger = false;
    return vm;
  }
  const auto owner = owner_of(id, ledger->uuids());
  if (!owner) return tl::unexpected(owner.error());
  if (*owner) vm.record = ledger->find(**owner);
  vm.stale = ledger->is_stale(ledger_.now());
  return vm;
}

Result<Inode> Filesystem::lookup_vm(std::string_view name) const {
  const auto uuid = Uuid::parse(name);
  if (!uuid || uuid->to_string() != name) return fail(ENOENT, "not a UUID in canonical form");
  const auto id = node_id(*uuid, vm_root);
  // An unknown VM must not get to the tree of a known one that shares its number.
  if (const auto ledger = ledger_.current()) {
    const auto owner = owner_of(id, ledger->uuids());
    if (!owner) return tl::unexpected(owner.error());
    if (*owner && **owner != *uuid) return fail(ESTALE, "shares its inode numbers with another VM");
  }
  return inode(id);
}

Result<Inode> Filesystem::lookup(NodeId parent, std::string_view name) const {
  if (parent == root_id) return lookup_vm(name);
  const auto vm = vm_of(parent);
  if (!vm) return tl::unexpected(vm.error());
  const auto entry = vm->tree().find(vm->node, name);
  if (!entry) return fail(ENOENT, "no such name");
  return vm->inode(parent, entry->node);
}

Result<Inode> Filesystem::inode(NodeId id) const {
  if (id == root_id) return Inode{root_id, root_attributes, false};
  const auto vm = vm_of(id);
  if (!vm) return tl::unexpected(vm.error());
  return vm->inode(id, vm->node);
}

Result<std::string> Filesystem::link_target(NodeId id) const {
  if (id == root_id) return fail(EINVAL, "not a link");
  const auto vm = vm_of(id);
  if (!vm) return tl::unexpected(vm.error());
  return vm->tree().target(vm->node);
}

Result<std::string> Filesystem::content(NodeId id) const {
  if (id == root_id) return fail(EISDIR, "a directory");
  const auto vm = vm_of(id);
  if (!vm) return tl::unexpected(vm.error());
  // Who has it open had zones, and shall have them again.
  if (!vm->has_ledger && vm->node.file == File::energy_uj) return fail(ENODATA, "there is no ledger");
  return vm->tree().content(vm->node, vm->stale);
}

Result<Inode> Filesystem::open(NodeId id, bool writes) const {
  auto opened = inode(id);
  if (opened && writes && (opened->attributes.permissions & 0200) == 0)
    return fail(EACCES, "nobody may write it");
  return opened;
}

Result<std::size_t> Filesystem::write(NodeId id, std::string_view text) const {
  if (id == root_id) return fail(EISDIR, "a directory");
  const auto vm = vm_of(id);
  if (!vm) return tl::unexpected(vm.error());
  return fail(vm->tree().write_refusal(vm->node, text), "nothing is written here");
}

Result<Inode> Filesystem::truncate(NodeId id) const {
  auto found = inode(id);
  if (found && found->attributes.type != FileType::regular) return fail(EPERM, "not a file");
  return found;
}

std::vector<ListedInode> Filesystem::list_root() const {
  std::vector<ListedInode> entries{{".", {}, 1, true}, {"..", {}, 2, true}};
  for (auto& entry : entries) entry.inode.attributes = root_attributes;
  const auto ledger = ledger_.current();
  if (!ledger) return entries;
  for (const auto& uuid : ledger->uuids())
    if (const auto found = lookup_vm(uuid.to_string()))
      entries.push_back({uuid.to_string(), *found, root_position(found->id), false});
  std::ranges::sort(entries, {}, &ListedInode::position);
  return entries;
}

Result<std::vector<ListedInode>> Filesystem::list(NodeId id, std::uint64_t position) const {
  std::vector<ListedInode> entries;
  if (id == root_id) {
    entries = list_root();
  } else {
    const auto vm = vm_of(id);
    if (!vm) return tl::unexpected(vm.error());
    const auto self = vm->inode(id, vm->node);
    if (!self) return tl::unexpected(self.error());
    if (self->attributes.type != FileType::directory) return fail(ENOTDIR, "not a directory");
    const auto above = vm->node == vm_root ? Inode{root_id, root_attributes, false}
                                           : vm->inode(id, vm->tree().parent(vm->node)).value();
    entries = {{".", *self, 1, true}, {"..", above, 2, true}};
    for (auto& entry : vm->tree().list(vm->node))
      entries.push_back(
          {std::move(entry.name), vm->inode(id, entry.node).value(), entries.size() + 1, false});
  }
  std::erase_if(entries, [&](const auto& entry) { return entry.position <= position; });
  return entries;
}

}  // namespace vpowercap
