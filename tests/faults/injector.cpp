// SPDX-License-Identifier: Apache-2.0
// One chosen fault.
#include "tests/faults/injector.hpp"

namespace {

using vpowercap::testing::Call;
using vpowercap::testing::Fault;
using vpowercap::testing::FaultKind;

struct State {
  std::string root;  ///< empty: not armed
  Fault fault;
  std::vector<Call> calls;
  std::string file;
  Call call = Call::open;
  std::uint64_t made = 0;
  std::uint64_t ticks = 0;
} state;

bool is_below(const std::string& path) {
  return !state.root.empty() && path.starts_with(state.root) && !path.ends_with("/ledger");
}

}  // namespace

namespace vpowercap::testing {

bool watches_calls() { return !state.root.empty(); }

const FaultKind* next_fault(Call call, const std::string& path) {
  if (!is_below(path)) return nullptr;
  const auto number = state.calls.size();
  state.calls.push_back(call);
  if (state.fault.kind == nullptr || !can_go_wrong(call, *state.fault.kind)) return nullptr;
  if (state.made == 0 && number == state.fault.nth) {
    state.file = path;
    state.call = call;
    state.ticks = 0;
  } else if (state.made == 0 || state.ticks >= state.fault.ticks || path != state.file ||
             call != state.call) {
    return nullptr;
  }
  ++state.made;
  return state.fault.kind;
}

void arm_faults(const std::string& root, const Fault& fault) {
  state = State{};
  state.root = root;
  state.fault = fault;
}
void pass_tick() { ++state.ticks; }
std::vector<Call> disarm_faults() {
  state.root.clear();
  return state.calls;
}
std::uint64_t faults_made() { return state.made; }
const std::string& faulty_file() { return state.file; }

}  // namespace vpowercap::testing
