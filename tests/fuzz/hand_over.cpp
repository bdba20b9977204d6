// SPDX-License-Identifier: Apache-2.0
// What `vpowercap state import` is given: a VM's counters on another host.
#include "host/sampler/hand_over.hpp"

#include <algorithm>

#include "tests/fuzz/fuzz.hpp"

using namespace vpowercap;
using fuzz::law;

namespace {

std::string printed(const HandOver& state) {
  std::string counters;
  for (const auto& counter : state.counters)
    counters += (counters.empty() ? "" : ",") + (R"({"socket":)" + std::to_string(counter.socket)) +
                R"(,"domain":")" + std::string(to_string(counter.domain)) + R"(","microjoules":)" +
                std::to_string(counter.shown_uj) + "}";
  return R"({"vpowercap_state":1,"uuid":")" + state.uuid.to_string() + R"(","counters":[)" + counters +
         "]}";
}

bool same(const HandOver& a, const HandOver& b) {
  const auto same_counter = [](const auto& x, const auto& y) {
    return x.socket == y.socket && x.domain == y.domain && x.shown_uj == y.shown_uj;
  };
  return a.uuid == b.uuid && std::equal(a.counters.begin(), a.counters.end(), b.counters.begin(),
                                        b.counters.end(), same_counter);
}

/// A VM of two sockets that has used some energy here.
VmRecord some_vm() {
  VmRecord vm;
  vm.sockets = 2;
  vm.quantum_uj = 1000;
  for (std::uint32_t socket = 0; socket < vm.sockets; ++socket)
    for (const auto domain : virtual_domains) vm.zone(socket, domain) = {4000, 5000, 7000, 7777, 0};
  return vm;
}

void check_one(const VirtualZoneRecord& before, const VirtualZoneRecord& after, bool is_there) {
  law(after.idle_uj == before.idle_uj && after.dynamic_uj == before.dynamic_uj,
      "energy that was not used here does not count here");
  law(after.shown_uj >= before.shown_uj && after.published_uj >= before.published_uj,
      "no counter goes back");
  law(is_there || (after.shown_uj == 0 && after.published_uj == 0), "no socket is made up");
}

void check_application(const HandOver& state) {
  const auto before = some_vm();
  auto vm = before;
  go_on_from(vm, state);
  for (std::uint32_t socket = 0; socket < max_virtual_sockets; ++socket)
    for (const auto domain : virtual_domains)
      check_one(before.zone(socket, domain), vm.zone(socket, domain), socket < vm.sockets);
  for (const auto& counter : state.counters)
    law(counter.socket >= vm.sockets ||
            vm.zone(counter.socket, counter.domain).shown_uj >= counter.shown_uj,
        "the guest is shown at least what it was shown there");
  const auto once = vm;
  go_on_from(vm, state);
  for (std::uint32_t socket = 0; socket < max_virtual_sockets; ++socket)
    for (const auto domain : virtual_domains)
      law(vm.zone(socket, domain).shown_uj == once.zone(socket, domain).shown_uj &&
              vm.zone(socket, domain).published_uj == once.zone(socket, domain).published_uj,
          "doing it again changes nothing");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto state = parse_hand_over(fuzz::as_text(data, size));
  if (!state) {
    const auto code = state.error().code;
    law(code == EPROTO || code == EMSGSIZE || code == EFBIG, "a refusal is of three kinds");
    law(!state.error().message.empty(), "a refusal says why");
    return 0;
  }
  const auto again = parse_hand_over(printed(*state));
  law(again && same(*state, *again), "a state printed and read again is the same");
  check_application(*state);
  return 0;
}
