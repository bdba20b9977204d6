// SPDX-License-Identifier: Apache-2.0
// Editing of domain XML.
#include "host/wiring/wire_xml.hpp"

#include <algorithm>
#include <pugixml.hpp>
#include <set>
#include <sstream>

#include "common/base/utf8.hpp"
#include "host/hypervisor/xml_names.hpp"

namespace vpowercap {
namespace {

// Everything is kept but the blanks between elements; a text that consists of blanks is a text.
constexpr unsigned int parse_flags =
    pugi::parse_default | pugi::parse_ws_pcdata_single | pugi::parse_comments | pugi::parse_pi;
constexpr std::size_t max_xml_size = 4 * 1024 * 1024;

// What the mark can name. `backing` is the element <memoryBacking> itself.
constexpr const char* backing = "memory-backing";
constexpr const char* source = "memory-source";
constexpr const char* access = "memory-access";
constexpr const char* filesystem = "filesystem";
constexpr const char* metadata = "metadata";

bool is_mark(pugi::xml_node element) {
  return element.type() == pugi::node_element && namespace_of(element) == wired_namespace;
}

/// libvirt prints each of these once, and drops a second mark. Where one is twice it would be chance
/// which is changed.
Result<void> expect_each_once(pugi::xml_node domain) {
  for (const char* name : {"metadata", "memoryBacking", "devices"})
    if (const auto all = domain.children(name); std::distance(all.begin(), all.end()) > 1)
      return fail(EPROTO, "the domain XML has <" + std::string(name) + "> twice: leave one");
  if (std::ranges::count_if(domain.child("metadata").children(), is_mark) > 1)
    return fail(EPROTO, "the domain XML has vpowercap's mark in <metadata> twice: leave one");
  return {};
}

Result<pugi::xml_node> load(std::string_view xml, pugi::xml_document& document) {
  if (xml.size() > max_xml_size) return fail(EPROTO, "the domain XML is longer than 4 MiB");
  const auto parsed = document.load_buffer(xml.data(), xml.size(), parse_flags, pugi::encoding_utf8);
  if (!parsed)
    return fail(EPROTO, "the domain XML is malformed at byte " + std::to_string(parsed.offset) + ": " +
                            parsed.description());
  const auto domain = document.child("domain");
  if (!domain) return fail(EPROTO, "the XML has no <domain> element");
  if (auto once = expect_each_once(domain); !once) return tl::unexpected(once.error());
  return domain;
}

/// Indented as libvirt does it.
std::string print(const pugi::xml_document& document) {
  std::ostringstream out;
  document.save(out, "  ", pugi::format_indent | pugi::format_no_declaration, pugi::encoding_utf8);
  // A carriage return that was written as a reference, as in a name, would be read as a line feed.
  std::string text;
  for (const char c : out.str()) {
    if (c == '\r') text += "&#13;";
    else text += c;
  }
  return text;
}

pugi::xml_node find_share(pugi::xml_node domain) {
  for (const auto device : domain.child("devices").children("filesystem"))
    if (device.child("alias").attribute("name").value() == share_alias) return device;
  return {};
}

pugi::xml_node find_mark(pugi::xml_node domain) {
  for (const auto element : domain.child("metadata").children())
    if (is_mark(element)) return element;
  return {};
}

void remove(pugi::xml_node element) { element.parent().remove_child(element); }

bool has_elements(pugi::xml_node node) {
  return std::ranges::any_of(node.children(),
                             [](pugi::xml_node child) { return child.type() == pugi::node_element; });
}

/// Not a second attribute where there is one without a value.
void set(pugi::xml_node element, const char* name, const char* value) {
  auto attribute = element.attribute(name);
  if (!attribute) attribute = element.append_attribute(name);
  attribute.set_value(value);
}

Result<void> share_memory(pugi::xml_node domain, std::set<std::string>& added,
                          std::vector<std::string>& changes) {
  auto memory = domain.child("memoryBacking");
  const std::string_view mode = memory.child("access").attribute("mode").value();
  if (!mode.empty() && mode != "shared")
    return fail(EINVAL,
                "<memoryBacking><access mode='" + printable(mode) +
                    "'/> keeps the VM's memory to itself, a virtiofs share needs mode='shared': "
                    "change it first");
  const std::string_view type = memory.child("source").attribute("type").value();
  if (type == "anonymous" && !memory.child("hugepages"))
    return fail(EINVAL,
                "<memoryBacking><source type='anonymous'/> cannot be shared with a virtiofs "
                "server: change it to memfd or file first");
  for (auto cell : domain.child("cpu").child("numa").children("cell")) {
    const std::string_view own = cell.attribute("memAccess").value();
    if (!own.empty() && own != "shared")
      return fail(EINVAL,
                  "<numa><cell memAccess='" + printable(own) +
                      "'> keeps its memory to itself, a virtiofs share needs 'shared': change it "
                      "first");
  }
  if (!memory) {
    const auto vcpu = domain.child("vcpu");
    memory =
        vcpu ? domain.insert_child_before("memoryBacking", vcpu) : domain.append_child("memoryBacking");
    added.insert(backing);
  }
  if (type.empty() && !memory.child("hugepages")) {
    auto element = memory.child("source");
    if (!element) element = memory.append_child("source");
    set(element, "type", "memfd");
    added.insert(source);
    changes.emplace_back(
        "memory comes from a memfd: no transparent huge pages, unless "
        "/sys/kernel/mm/transparent_hugepage/shmem_enabled allows them");
  }
  if (mode.empty()) {
    auto element = memory.child("access");
    if (!element) element = memory.append_child("access");
    set(element, "mode", "shared");
    added.insert(access);
    changes.emplace_back("memory is shared with the virtiofs server");
  }
  return {};
}

void add_filesystem(pugi::xml_node domain, const WireOptions& options) {
  auto devices = domain.child("devices");
  if (!devices) devices = domain.append_child("devices");
  auto share = devices.append_child("filesystem");
  share.append_attribute("type").set_value("mount");
  share.append_attribute("accessmode").set_value("passthrough");
  share.append_child("driver").append_attribute("type").set_value("virtiofs");
  auto binary = share.append_child("binary");
  if (!options.virtiofsd.empty()) binary.append_attribute("path").set_value(options.virtiofsd.c_str());
  binary.append_child("cache").append_attribute("mode").set_value("none");
  share.append_child("source").append_attribute("dir").set_value(options.source_dir.c_str());
  share.append_child("target").append_attribute("dir").set_value(std::string(share_tag).c_str());
  share.append_child("alias").append_attribute("name").set_value(std::string(share_alias).c_str());
}

/// Where the mark goes: <metadata> stands after <name> and <uuid> in libvirt's own order.
pugi::xml_node metadata_of(pugi::xml_node domain, std::set<std::string>& added) {
  if (auto there = domain.child("metadata")) return there;
  added.insert(metadata);
  const auto name = domain.child("name");
  const auto uuid = domain.child("uuid");
  const auto before = uuid ? uuid : name;
  return before ? domain.insert_child_after("metadata", before) : domain.prepend_child("metadata");
}

void write_mark(pugi::xml_node domain, std::set<std::string> added) {
  auto mark = find_mark(domain);
  if (!mark) {
    mark = metadata_of(domain, added).append_child("vpowercap-wired:wired");
    mark.append_attribute("xmlns:vpowercap-wired").set_value(std::string(wired_namespace).c_str());
  }
  auto list = mark.attribute("added");
  if (!list) list = mark.append_attribute("added");
  std::string words;
  for (const auto& word : added) words += (words.empty() ? "" : " ") + word;
  list.set_value(words.c_str());
}

std::set<std::string> read_mark(pugi::xml_node domain) {
  std::istringstream words(find_mark(domain).attribute("added").value());
  std::set<std::string> added;
  for (std::string word; words >> word;) added.insert(word);
  return added;
}

/// Removes an element that we made once nobody has put anything else into it.
void remove_if_bare(pugi::xml_node element) {
  if (element && !has_elements(element) && element.attributes().begin() == element.attributes().end())
    remove(element);
}

/// Takes back one of our attributes, and its element when nothing else is in it.
void remove_attribute(pugi::xml_node element, const char* attribute, std::string_view value) {
  if (!element || element.attribute(attribute).value() != value) return;
  element.remove_attribute(attribute);
  remove_if_bare(element);
}

/// Shared memory is what other virtiofs and vhost-user devices need, too.
bool others_need_shared_memory(pugi::xml_node domain) {
  const auto ours = find_share(domain);
  for (const auto device : domain.child("devices").children()) {
    if (device == ours) continue;
    if (std::string_view(device.child("driver").attribute("type").value()) == "virtiofs") return true;
    if (std::string_view(device.attribute("type").value()) == "vhostuser") return true;
  }
  return false;
}

}  // namespace

Result<WiredXml> wire_xml(std::string_view xml, const WireOptions& options) {
  pugi::xml_document document;
  auto domain = load(xml, document);
  if (!domain) return tl::unexpected(domain.error());
  for (const auto device : domain->child("devices").children("filesystem"))
    if (device.child("target").attribute("dir").value() == share_tag && device != find_share(*domain))
      return fail(EEXIST,
                  "the VM has a <filesystem> with the tag vpowercap that is not ours: remove it");
  WiredXml wired{std::string(xml), {}};
  auto added = read_mark(*domain);
  if (auto shared = share_memory(*domain, added, wired.changes); !shared)
    return tl::unexpected(shared.error());
  if (!find_share(*domain)) {
    add_filesystem(*domain, options);
    added.insert(filesystem);
    wired.changes.emplace_back(
        "a virtiofs share \"" + std::string(share_tag) + "\" of " + options.source_dir +
        ": with Debian 12's virtiofsd the VM can no longer be saved or migrated");
  }
  if (wired.changes.empty()) return wired;
  write_mark(*domain, std::move(added));
  wired.xml = print(document);
  return wired;
}

Result<WiredXml> unwire_xml(std::string_view xml) {
  pugi::xml_document document;
  auto domain = load(xml, document);
  if (!domain) return tl::unexpected(domain.error());
  WiredXml wired{std::string(xml), {}};
  if (!find_mark(*domain)) return wired;
  const auto added = read_mark(*domain);
  const bool keep_memory = others_need_shared_memory(*domain);
  if (const auto share = find_share(*domain); share && added.contains(filesystem)) {
    remove(share);
    wired.changes.emplace_back("the virtiofs share \"" + std::string(share_tag) + "\" is removed");
  }
  auto memory = domain->child("memoryBacking");
  const bool ours = added.contains(source) || added.contains(access);
  if (keep_memory && ours) wired.changes.emplace_back("memory stays shared: another device needs it");
  if (!keep_memory && ours) {
    if (added.contains(source)) remove_attribute(memory.child("source"), "type", "memfd");
    if (added.contains(access)) remove_attribute(memory.child("access"), "mode", "shared");
    if (added.contains(backing)) remove_if_bare(memory);
    wired.changes.emplace_back("memory is as it was before");
  }
  remove(find_mark(*domain));
  if (added.contains(metadata)) remove_if_bare(domain->child("metadata"));
  wired.changes.emplace_back("the mark in <metadata> is removed");
  wired.xml = print(document);
  return wired;
}

Result<bool> is_wired_xml(std::string_view xml) {
  pugi::xml_document document;
  const auto domain = load(xml, document);
  if (!domain) return tl::unexpected(domain.error());
  return static_cast<bool>(find_share(*domain));
}

}  // namespace vpowercap
