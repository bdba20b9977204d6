// SPDX-License-Identifier: Apache-2.0
// The change of domain XML that wires a VM, and its undoing.
#include "host/wiring/wire_xml.hpp"

#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const WireOptions options{"/run/vpowercap/share/x", "/usr/lib/qemu/virtiofsd"};
  const auto xml = fuzz::as_text(data, size);
  const auto is_wired = is_wired_xml(xml);
  const auto unwired = unwire_xml(xml);
  law(is_wired.has_value() == unwired.has_value(), "XML is a domain's or it is not");
  const auto wired = wire_xml(xml, options);
  if (!wired) {
    law(!wired.error().message.empty(), "a refusal gives its reason");
    return 0;
  }
  law(is_wired_xml(wired->xml) == true, "a wired domain is known for one");
  const auto again = wire_xml(wired->xml, options);
  law(again && again->changes.empty() && again->xml == wired->xml, "wiring twice is wiring once");
  const auto back = unwire_xml(wired->xml);
  law(back.has_value(), "a wired domain can be unwired");
  const auto twice = unwire_xml(back->xml);
  law(twice && twice->changes.empty() && twice->xml == back->xml, "unwiring twice is unwiring once");
  if (!*is_wired) law(is_wired_xml(back->xml) == false, "unwiring takes the share away");
  return 0;
}
