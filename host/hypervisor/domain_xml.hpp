// SPDX-License-Identifier: Apache-2.0
// What a libvirt domain XML says that matters here.
#pragma once

#include <optional>
#include <string_view>

#include "common/base/result.hpp"
#include "common/model/vm.hpp"

namespace vpowercap {

/// Namespace of our element in a domain's <metadata>: <vpowercap:vm xmlns:vpowercap="..."/>.
inline constexpr std::string_view metadata_namespace = "urn:vpowercap:domain:1";

/// Reads UUID, name, <vcpu>, <cpu><topology> and our metadata out of a domain XML of at most 1 MiB.
/// `defaults` are the settings that metadata may change. pid and pid_start_ticks stay 0; the state is
/// `starting`. Errors: EPROTO naming the element.
Result<VmDescription> parse_domain_xml(std::string_view xml, const VmSettings& defaults);

/// As above, but broken metadata only leaves a `metadata_problem` and the defaults: a slip in a setting
/// must not take a running VM out of the account.
Result<VmDescription> parse_domain_xml(std::string_view xml, const VmSettings& defaults,
                                       std::optional<Error>& metadata_problem);

}  // namespace vpowercap
