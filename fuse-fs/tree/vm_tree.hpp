// SPDX-License-Identifier: Apache-2.0
// What a guest sees: directories, attributes and bytes of one VM's powercap tree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ledger/records.hpp"
#include "fuse-fs/tree/node.hpp"

namespace vpowercap {

enum class FileType : std::uint8_t { directory, regular, link };

/// One name in a directory.
struct DirectoryEntry {
  std::string name;
  Node node;
  FileType type = FileType::regular;
};

/// As stat shows it; everything belongs to root. Times are 0: a successor must show the same.
struct Attributes {
  FileType type = FileType::regular;
  std::uint32_t permissions = 0;  ///< mode without the type
  std::uint32_t links = 1;
  std::uint64_t size = 0;  ///< as sysfs: 4096 for files whatever they hold, 0 for the rest
};

/// The tree of one VM, computed from its record: the layout that the kernel gives a machine with one
/// `intel-rapl` package zone per socket (drivers/powercap), with every zone reachable both by nested
/// directories and by flat links. Pure; borrows the record.
class VmTree {
 public:
  /// nullptr: the tree of a VM that nothing is known of, an `intel-rapl` without zones.
  explicit VmTree(const VmRecord* record) : record_(record) {}

  /// What `directory` holds, without "." and "..", in a fixed order. Empty for what is none.
  [[nodiscard]] std::vector<DirectoryEntry> list(Node directory) const;
  /// The entry of that name. Nothing when there is none.
  [[nodiscard]] std::optional<DirectoryEntry> find(Node directory, std::string_view name) const;
  /// The directory above `directory` within the tree; the VM's own directory is above itself.
  [[nodiscard]] Node parent(Node directory) const;
  /// Nothing when this VM has no such inode.
  [[nodiscard]] std::optional<Attributes> attributes(Node node) const;
  /// Where a link leads, relative to it. Errors: ENOENT, EINVAL (not a link).
  [[nodiscard]] Result<std::string> target(Node link) const;
  /// What a file holds now. `stale`: the ledger's writer has been silent too long for energy_uj.
  /// Errors: ENOENT, EISDIR, EINVAL (a link), ENODATA (energy_uj while stale).
  [[nodiscard]] Result<std::string> content(Node file, bool stale) const;
  /// The errno with which a write of `text` to a file is refused; every write is. As the kernel where
  /// the BIOS has locked the limits: ENODATA (a limit), ENOSYS (enabled), EINVAL (no number, no
  /// boolean, or a file that takes neither), EACCES (a file that nobody may write), ENOENT.
  [[nodiscard]] int write_refusal(Node file, std::string_view text) const;

 private:
  [[nodiscard]] std::uint32_t sockets() const;
  [[nodiscard]] bool has_zone(Place place) const;
  [[nodiscard]] std::vector<Place> zones_below(Place place) const;
  [[nodiscard]] std::string directory_name(Place place) const;
  [[nodiscard]] std::string path_from_root(Place place) const;
  [[nodiscard]] bool exists(Node node) const;

  const VmRecord* record_;
};

}  // namespace vpowercap
