// SPDX-License-Identifier: Apache-2.0
// The ledger file: header, the host's slot, one slot per VM.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/ledger/checksum.hpp"
#include "common/ledger/records.hpp"
#include "common/ledger/slot.hpp"

namespace vpowercap {

/// "VPCLEDGR" read as a little-endian number.
inline constexpr std::uint64_t ledger_magic = 0x524744454c435056;

/// First page of the file. Fields up to `check` are written once, before the file appears.
struct LedgerHeader {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t vm_slots;
  std::uint64_t host_slot_size;
  std::uint64_t vm_slot_size;
  std::uint8_t boot_id[16];       ///< /proc/sys/kernel/random/boot_id: monotonic times are of this boot
  std::uint64_t check;            ///< header_checksum() of all the above
  std::uint64_t heartbeat_ns;     ///< CLOCK_MONOTONIC of the writer's last sign of life (atomic)
  std::uint64_t stale_after_ns;   ///< readers refuse values when the heartbeat is older (atomic)
  std::uint64_t tick_ns;          ///< sampling period (atomic)
  std::uint64_t committed;        ///< number of the last change that is whole, see Slot (atomic)
  std::uint64_t committed_check;  ///< committed_checksum(); written before it
  /// Bit i: slot i of a VM has been written to, so that one full of zeroes is known to have lost it.
  std::uint64_t used[max_vms / 64];
};

inline std::uint64_t header_checksum(const LedgerHeader& header) {
  static_assert(offsetof(LedgerHeader, check) % sizeof(std::uint64_t) == 0);
  return checksum(0, &header, offsetof(LedgerHeader, check) / sizeof(std::uint64_t));
}
inline std::uint64_t committed_checksum(std::uint64_t committed) {
  return checksum(committed, nullptr, 0);
}

struct LedgerLayout {
  LedgerHeader header;
  alignas(4096) Slot<HostRecord> host;
  alignas(64) Slot<VmRecord> vms[max_vms];
};

}  // namespace vpowercap
