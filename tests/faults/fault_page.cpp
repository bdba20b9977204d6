// SPDX-License-Identifier: Apache-2.0
// The page itself: made by the test, found by the daemon.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/unique_fd.hpp"
#include "tests/faults/random_faults.hpp"

namespace vpowercap::testing {

FaultPage* map_fault_page(const char* path) {
  const UniqueFd fd(::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd || ::ftruncate(fd.get(), sizeof(FaultPage)) != 0) return nullptr;
  void* memory = ::mmap(nullptr, sizeof(FaultPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  return memory == MAP_FAILED ? nullptr : static_cast<FaultPage*>(memory);
}

}  // namespace vpowercap::testing
