// SPDX-License-Identifier: Apache-2.0
// What a tree looks like, to compare before and after.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace vpowercap::testing {

/// By path (relative; "." is the root): type, mode, links, owner, size and times, target of a link,
/// content of a file other than energy_uj. Links are not followed. Errors: std::filesystem's
/// exceptions.
std::map<std::string, std::string> tree_listing(const std::string& root);

/// A sentence for each path that differs.
std::vector<std::string> differences(const std::map<std::string, std::string>& before,
                                     const std::map<std::string, std::string>& after);

}  // namespace vpowercap::testing
