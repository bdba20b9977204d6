// SPDX-License-Identifier: Apache-2.0
// The file system of all VMs by inode numbers: what each request means, without its protocol.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/ledger/ledger_source.hpp"
#include "fuse-fs/tree/vm_tree.hpp"

namespace vpowercap {

struct Inode {
  NodeId id = root_id;
  Attributes attributes;
  bool changing = false;  ///< energy_uj: nothing about it may be cached
};

/// An entry of a listing.
struct ListedInode {
  std::string name;
  Inode inode;
  std::uint64_t position = 0;  ///< where to go on after this entry; never 0
  bool is_dot = false;         ///< "." or ".."
};

/// Answers from the ledger alone and keeps nothing between requests: any other instance, in a process
/// started later or of a newer version, gives the same answers to the same numbers.
/// The root lists the VMs that the ledger knows; every other UUID in canonical form can be looked up
/// too and has the tree of an unknown VM, so that a VM may start before it is known. Thread-safe.
class Filesystem {
 public:
  explicit Filesystem(LedgerSource& ledger) : ledger_(ledger) {}

  /// Errors of all members: ENOENT (no such name, or a file of a VM or zone that is gone), ESTALE (see
  /// owner_of()).
  [[nodiscard]] Result<Inode> lookup(NodeId parent, std::string_view name) const;
  [[nodiscard]] Result<Inode> inode(NodeId id) const;
  /// Errors: also EINVAL for what is no link.
  [[nodiscard]] Result<std::string> link_target(NodeId id) const;
  /// The whole content at this moment. Errors: also EISDIR, EINVAL, ENODATA (energy_uj while the daemon
  /// is silent, or no ledger could be read yet).
  [[nodiscard]] Result<std::string> content(NodeId id) const;
  /// What is opened. Errors: also EACCES when it is to be written and nobody may: root neither, as in
  /// sysfs.
  [[nodiscard]] Result<Inode> open(NodeId id, bool writes) const;
  /// Never succeeds, see VmTree::write_refusal().
  [[nodiscard]] Result<std::size_t> write(NodeId id, std::string_view text) const;
  /// Changes nothing, and succeeds for files, whose length means nothing, as in sysfs. Errors: also
  /// EPERM for what is no file.
  [[nodiscard]] Result<Inode> truncate(NodeId id) const;
  /// Entries behind `position` (0: from the start), "." and ".." first. Errors: also ENOTDIR.
  [[nodiscard]] Result<std::vector<ListedInode>> list(NodeId id, std::uint64_t position) const;

 private:
  struct Vm;
  [[nodiscard]] Result<Vm> vm_of(NodeId id) const;
  [[nodiscard]] Result<Inode> lookup_vm(std::string_view name) const;
  [[nodiscard]] std::vector<ListedInode> list_root() const;

  LedgerSource& ledger_;
};

}  // namespace vpowercap
