// SPDX-License-Identifier: Apache-2.0
#include "host/wiring/wire_xml.hpp"

#include <pugixml.hpp>
#include <sstream>

namespace vpowercap {
namespace {

const WireOptions options{.source_dir = "/run/vpowercap/share/c7a5fdbd-edaf-9455-926a-d65c16db1809"};

/// A domain as libvirt prints it, with `backing` in it and `devices` among its devices.
std::string domain(const std::string& backing = "", const std::string& devices = "",
                   const std::string& metadata = "") {
  return "<domain type='qemu'>\n  <name>a &lt;b&gt; &amp; \xe2\x80\xae</name>\n"
         "  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>\n" +
         metadata + "  <memory unit='KiB'>65536</memory>\n" + backing +
         "  <vcpu placement='static'>2</vcpu>\n  <!-- kept -->\n  <devices>\n"
         "    <emulator>/usr/bin/qemu-system-x86_64</emulator>\n" +
         devices + "  </devices>\n</domain>\n";
}

std::string wired(const std::string& xml) {
  const auto result = wire_xml(xml, options);
  if (!result) ADD_FAILURE() << result.error().message;
  return result ? result->xml : "";
}

std::string unwired(const std::string& xml) {
  const auto result = unwire_xml(xml);
  if (!result) ADD_FAILURE() << result.error().message;
  return result ? result->xml : "";
}

bool has(const std::string& xml, const std::string& part) {
  return xml.find(part) != std::string::npos;
}

/// An XML in one form, whatever its quotes and blanks between elements.
std::string in_one_form(const std::string& xml) {
  pugi::xml_document document;
  document.load_string(xml.c_str(), pugi::parse_default | pugi::parse_comments);
  std::ostringstream out;
  document.save(out, "", pugi::format_raw | pugi::format_no_declaration);
  return out.str();
}

TEST(WireXml, RefusesAnXmlOfMoreThanFourMebibytes) {
  const std::string long_xml = domain() + std::string(4 * 1024 * 1024, ' ');
  for (const auto& result : {wire_xml(long_xml, options), unwire_xml(long_xml)}) {
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("longer than 4 MiB"), std::string::npos);
  }
}

TEST(WireXml, RefusesWhatIsThereTwice) {
  const std::string mark = "<w:wired xmlns:w='urn:vpowercap:wired:1' added='filesystem'/>";
  const std::string metadata = "<metadata>" + mark + "</metadata>";
  const auto expect_refused = [](const std::string& xml, const std::string& what) {
    for (const auto& error :
         {wire_xml(xml, options).error(), unwire_xml(xml).error(), is_wired_xml(xml).error()})
      EXPECT_NE(error.message.find(what), std::string::npos) << error.message;
  };
  expect_refused(domain("", "", metadata + metadata), "<metadata> twice");
  expect_refused(domain("", "", "<metadata>" + mark + mark + "</metadata>"),
                 "mark in <metadata> twice");
  expect_refused(domain("<memoryBacking/><memoryBacking/>"), "<memoryBacking> twice");
  expect_refused(domain("<devices/>"), "<devices> twice");
}

TEST(WireXml, AddsSharedMemoryShareAndMark) {
  const auto result = wire_xml(domain(), options);
  ASSERT_TRUE(result) << result.error().message;
  const std::string xml = in_one_form(result->xml);
  EXPECT_TRUE(
      has(xml, "<memoryBacking><source type=\"memfd\"/><access mode=\"shared\"/></memoryBacking>"));
  EXPECT_TRUE(has(xml,
                  "<filesystem type=\"mount\" accessmode=\"passthrough\"><driver type=\"virtiofs\"/>"
                  "<binary><cache mode=\"none\"/></binary><source dir=\"" +
                      options.source_dir +
                      "\"/><target dir=\"vpowercap\"/><alias name=\"ua-vpowercap\"/></filesystem>"))
      << xml;
  EXPECT_TRUE(has(xml, "urn:vpowercap:wired:1"));
  EXPECT_TRUE(has(xml, "<!-- kept -->"));
  EXPECT_TRUE(has(xml, "a &lt;b&gt; &amp; \xe2\x80\xae"));
  EXPECT_EQ(result->changes.size(), 3u);
  EXPECT_TRUE(*is_wired_xml(xml));
  EXPECT_FALSE(*is_wired_xml(domain()));
}

TEST(WireXml, KeepsTextsToTheLetter) {
  for (const std::string text :
       {"a&#13;b", " ", "two\nlines", "]]&gt;", "&quot;&amp;lt;", "\xe2\x80\xae"}) {
    const std::string xml = "<domain><name>" + text + "</name><uuid>u</uuid></domain>";
    pugi::xml_document before;
    pugi::xml_document after;
    ASSERT_TRUE(before.load_string(xml.c_str(), pugi::parse_full));
    ASSERT_TRUE(after.load_string(wired(xml).c_str(), pugi::parse_full));
    EXPECT_STREQ(after.child("domain").child_value("name"), before.child("domain").child_value("name"))
        << text;
  }
}

TEST(WireXml, NamesTheServerWhenToldTo) {
  const auto result = wire_xml(domain(), {.source_dir = "/s", .virtiofsd = "/opt/virtiofsd"});
  ASSERT_TRUE(result);
  EXPECT_TRUE(
      has(in_one_form(result->xml), "<binary path=\"/opt/virtiofsd\"><cache mode=\"none\"/></binary>"));
}

TEST(WireXml, IsIdempotentBothWays) {
  const std::string once = wired(domain());
  const auto twice = wire_xml(once, options);
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->xml, once);
  EXPECT_TRUE(twice->changes.empty());
  const std::string back = unwired(once);
  EXPECT_EQ(unwired(back), back);
  EXPECT_TRUE(unwire_xml(back)->changes.empty());
  EXPECT_EQ(unwired(domain()), domain());
}

TEST(WireXml, UnwiringRestoresWhateverWasThere) {
  for (const auto& [backing, metadata] : std::vector<std::pair<std::string, std::string>>{
           {"", ""},
           {"  <memoryBacking>\n    <nosharepages/>\n  </memoryBacking>\n", ""},
           {"  <memoryBacking>\n    <source type='memfd'/>\n  </memoryBacking>\n", ""},
           {"  <memoryBacking>\n    <source type='file'/>\n    <access mode='shared'/>\n  "
            "</memoryBacking>\n",
            ""},
           {"  <memoryBacking>\n    <hugepages/>\n  </memoryBacking>\n", ""},
           {"", "  <metadata>\n    <n:x xmlns:n='urn:n'/>\n  </metadata>\n"}}) {
    const std::string before = domain(backing, "", metadata);
    const std::string xml = wired(before);
    EXPECT_TRUE(has(xml, "shared")) << xml;
    EXPECT_EQ(in_one_form(unwired(xml)), in_one_form(before));
  }
}

TEST(WireXml, UnwiringFindsWhatWasAddedToAMarkThatNamedNothing) {
  const auto edited = domain("", "", "<metadata><w:wired xmlns:w='urn:vpowercap:wired:1'/></metadata>");
  const auto xml = wired(edited);
  EXPECT_TRUE(*is_wired_xml(xml));
  EXPECT_FALSE(*is_wired_xml(unwired(xml)));
}

TEST(WireXml, GivesAnAttributeWithoutAValueOneAndNoSecond) {
  const auto xml =
      wired(domain("  <memoryBacking><source type=''/><access mode=''/></memoryBacking>\n"));
  EXPECT_TRUE(has(in_one_form(xml), "<source type=\"memfd\"/><access mode=\"shared\"/>")) << xml;
  EXPECT_EQ(wired(xml), xml);
}

TEST(WireXml, ADomainWithoutNameAndUuidIsMarkedToo) {
  const auto xml = wired("<domain/>");
  EXPECT_TRUE(*is_wired_xml(xml));
  EXPECT_FALSE(*is_wired_xml(unwired(xml)));
}

TEST(WireXml, LeavesHugePagesAndFilesTheirSource) {
  EXPECT_FALSE(has(wired(domain("<memoryBacking><hugepages/></memoryBacking>")), "memfd"));
  const std::string file =
      in_one_form(wired(domain("<memoryBacking><source type='file'/></memoryBacking>")));
  EXPECT_TRUE(has(file, "<source type=\"file\"/><access mode=\"shared\"/>"));
}

TEST(WireXml, RefusesMemoryThatIsNotToBeShared) {
  for (const auto& [xml, element] : std::vector<std::pair<std::string, std::string>>{
           {domain("<memoryBacking><access mode='private'/></memoryBacking>"),
            "<access mode='private'/>"},
           {domain("<memoryBacking><source type='anonymous'/></memoryBacking>"), "anonymous"},
           {domain("<cpu><numa><cell id='0' memAccess='private'/></numa></cpu>"),
            "memAccess='private'"}}) {
    const auto result = wire_xml(xml, options);
    ASSERT_FALSE(result) << xml;
    EXPECT_EQ(result.error().code, EINVAL);
    EXPECT_TRUE(has(result.error().message, element)) << result.error().message;
  }
}

TEST(WireXml, RefusesATagThatIsTaken) {
  const auto result =
      wire_xml(domain("", "<filesystem><target dir='vpowercap'/></filesystem>"), options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, EEXIST);
}

TEST(WireXml, UnwiringKeepsTheMemoryThatOthersShare) {
  std::string xml = wired(domain());
  const std::string other = "<filesystem><driver type='virtiofs'/><target dir='data'/></filesystem>";
  xml.insert(xml.find("</devices>"), other);
  const auto result = unwire_xml(xml);
  ASSERT_TRUE(result);
  EXPECT_TRUE(has(result->xml, "mode=\"shared\""));
  EXPECT_TRUE(has(result->xml, "dir=\"data\""));
  EXPECT_FALSE(has(result->xml, "ua-vpowercap"));
}

TEST(WireXml, UnwiringTakesNothingThatIsNotOurs) {
  const std::string xml =
      domain("<memoryBacking><source type=\"memfd\"/><access mode=\"shared\"/></memoryBacking>",
             "<filesystem><driver type=\"virtiofs\"/><target dir=\"data\"/></filesystem>");
  EXPECT_EQ(unwired(xml), xml);
  EXPECT_EQ(in_one_form(unwired(wired(xml))), in_one_form(xml));
}

TEST(WireXml, RefusesWhatIsNoDomain) {
  for (const char* xml : {"", "<domain>", "<network/>", "<domain><a></domain>"}) {
    EXPECT_EQ(wire_xml(xml, options).error().code, EPROTO);
    EXPECT_EQ(unwire_xml(xml).error().code, EPROTO);
    EXPECT_EQ(is_wired_xml(xml).error().code, EPROTO);
  }
}

}  // namespace
}  // namespace vpowercap
