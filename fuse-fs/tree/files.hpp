// SPDX-License-Identifier: Apache-2.0
// The files and links of each kind of directory, as one table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "fuse-fs/tree/node.hpp"
#include "fuse-fs/tree/vm_tree.hpp"

namespace vpowercap {

/// Kinds of directories, as bits.
enum DirectoryKind : std::uint8_t {
  vm_directory = 1,
  control_type_directory = 2,
  package_directory = 4,
  subzone_directory = 8,
  power_directory = 16,
};

struct FileSpec {
  File file;
  std::string_view name;
  FileType type;
  std::uint32_t permissions;
  std::uint8_t directories;  ///< kinds of directories that hold it
  /// What never changes of a file; the computed ones (name, energy_uj, max_energy_range_uj) and links
  /// have none.
  std::string_view content;
};

std::span<const FileSpec> file_specs();

/// The row of `file` in a directory of that kind; nullptr when there is none.
const FileSpec* find_spec(File file, std::uint8_t kind);

/// The kind of directory that `node` is or that holds it.
DirectoryKind kind_of(Node node);

}  // namespace vpowercap
