// SPDX-License-Identifier: Apache-2.0
// Death at a chosen step of the ledger's writer.
#include "common/ledger/fail_point.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace vpowercap {
namespace {

/// A program that has no test around it is told by its environment.
std::uint64_t step_of_death() {
  const char* text = std::getenv("VPOWERCAP_DIE_AT_STEP");
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

std::uint64_t last_step = step_of_death();
std::uint64_t steps = 0;

}  // namespace

void fail_point() {
  if (++steps == last_step) ::kill(::getpid(), SIGKILL);
}

void testing::die_at_step(std::uint64_t step) {
  last_step = step;
  steps = 0;
}

std::uint64_t testing::steps_done() { return steps; }

}  // namespace vpowercap
