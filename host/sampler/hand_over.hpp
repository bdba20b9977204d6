// SPDX-License-Identifier: Apache-2.0
// What a VM's guest was shown on another host, to go on from.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.hpp"
#include "common/ledger/records.hpp"

namespace vpowercap {

/// More than the longest state of a VM, in bytes.
inline constexpr std::size_t max_hand_over_size = 64 * 1024;

/// The counters of one VM as `vpowercap state export` writes them.
struct HandOver {
  struct Counter {
    std::uint32_t socket = 0;
    EnergyDomain domain = EnergyDomain::package;
    std::uint64_t shown_uj = 0;  ///< before wrapping, at most 2^62
  };
  Uuid uuid;
  std::vector<Counter> counters;
};

/// Errors: EPROTO, naming the field or that it is longer than max_hand_over_size. A counter that is
/// there twice counts once, with its highest value.
Result<HandOver> parse_hand_over(std::string_view json);
/// What parse_hand_over() reads.
std::string print_hand_over(const HandOver& state);

/// Raises what the guest is shown to at least what it was shown there. Energy stays what it is: it was
/// not used here. No counter goes back, and doing it again changes nothing. Counters of sockets that
/// the VM does not have here are left out.
void go_on_from(VmRecord& record, const HandOver& state);

}  // namespace vpowercap
