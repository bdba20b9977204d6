// SPDX-License-Identifier: Apache-2.0
// Giving up every system call the server does not need.
#pragma once

namespace vpowercap {

/// False in a build for a sanitizer, whose own calls are not on the list: nothing is restricted there.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool restricts_system_calls = false;
#else
inline constexpr bool restricts_system_calls = true;
#endif

/// From now on this thread and those it starts can read files, answer on what is open, use memory
/// that is not executable, start threads, wait and end. Everything else fails with EPERM: no other
/// file is written, no program started, no socket made, no other process seen or signalled. There is
/// no way back (seccomp(2)). Needs no_new_privs or CAP_SYS_ADMIN; call it before other threads exist,
/// as those would keep what they have. Throws std::system_error where the kernel refuses.
void restrict_system_calls();

}  // namespace vpowercap
