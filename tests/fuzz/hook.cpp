// SPDX-License-Identifier: Apache-2.0
// What libvirt gives its hook: words and, behind them, a domain XML.
#include <algorithm>

#include "libvirt-hooks/qemu_hook/call.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

char lower(char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c; }

void check_words(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (c == '\n') words.emplace_back();
    else if (c != '\0') words.back() += c;
  }
  std::vector<const char*> pointers;
  for (const auto& word : words) pointers.push_back(word.c_str());
  const auto call = parse_call(pointers);
  law(call || words.size() < 5, "two words behind those for the hook are a call");
  if (!call) return;
  const auto has = [&](const std::string& word) {
    return word.empty() || std::find(words.begin(), words.end(), word) != words.end();
  };
  law(has(call->name) && has(call->phase) && has(call->sub) && has(call->run_dir),
      "a call is made of its words");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = fuzz::parts(fuzz::as_text(data, size), 2);
  check_words(input[0]);
  const auto uuid = find_uuid(input[1]);
  if (!uuid) return 0;
  std::string xml(input[1]);
  std::transform(xml.begin(), xml.end(), xml.begin(), lower);
  law(xml.find(uuid->to_string()) != std::string::npos, "the UUID is one of the XML's");
  return 0;
}
