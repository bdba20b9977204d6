// SPDX-License-Identifier: Apache-2.0
// XML namespaces, which pugixml leaves to its user.
#pragma once

#include <pugixml.hpp>
#include <string>
#include <string_view>

namespace vpowercap {

/// Name of an element or attribute without its prefix.
inline std::string_view local_name(std::string_view name) {
  const auto colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

/// True for the attributes that declare a namespace: xmlns and xmlns:PREFIX.
inline bool declares_namespace(std::string_view attribute) {
  return attribute == "xmlns" || attribute.starts_with("xmlns:");
}

/// The namespace of an element as its own and its ancestors' declarations have it, "" for none.
inline std::string_view namespace_of(pugi::xml_node element) {
  const std::string_view name = element.name();
  const auto colon = name.find(':');
  std::string declaration = "xmlns";
  if (colon != std::string_view::npos) declaration.append(":").append(name.substr(0, colon));
  for (auto node = element; node; node = node.parent())
    if (const auto found = node.attribute(declaration.c_str())) return found.value();
  return {};
}

}  // namespace vpowercap
