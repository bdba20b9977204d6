// SPDX-License-Identifier: Apache-2.0
// The change that wiring makes to a domain's XML, and its exact undoing; pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"

namespace vpowercap {

/// The tag a guest mounts, and libvirt's alias of our <filesystem>, by which it is known again.
inline constexpr std::string_view share_tag = "vpowercap";
inline constexpr std::string_view share_alias = "ua-vpowercap";

/// Namespace of the mark in <metadata> that remembers what was added. One of its own, as libvirt keeps
/// one element per namespace there and metadata_namespace belongs to the operator.
inline constexpr std::string_view wired_namespace = "urn:vpowercap:wired:1";

struct WireOptions {
  std::string source_dir;  ///< the VM's directory, RunPaths::source()
  std::string virtiofsd;   ///< path of the server; "" leaves it to libvirt
};

/// A domain XML after a change.
struct WiredXml {
  std::string xml;
  std::vector<std::string> changes;  ///< what was changed, a line each; empty: nothing was to do
};

/// Adds shared memory and the VM's <filesystem> where they are missing, and a mark that says which
/// were added. Everything else stays. Idempotent. Errors: EPROTO for XML that is no domain's, EINVAL
/// naming the element when the domain's memory cannot be shared, EEXIST when the tag is taken.
Result<WiredXml> wire_xml(std::string_view xml, const WireOptions& options);

/// Removes what the mark says was added, and the mark. Idempotent. Errors: EPROTO.
Result<WiredXml> unwire_xml(std::string_view xml);

/// True when the domain has our <filesystem>. Errors: EPROTO.
Result<bool> is_wired_xml(std::string_view xml);

}  // namespace vpowercap
