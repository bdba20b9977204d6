// SPDX-License-Identifier: Apache-2.0
// Changing user and group for good.
#include "fuse-fs/session/privileges.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <system_error>

#include "common/options/options.hpp"

namespace vpowercap {
namespace {

gid_t ledger_group(const std::string& group, const std::string& ledger) {
  if (const auto* found = ::getgrnam(group.c_str()); found != nullptr) return found->gr_gid;
  struct stat status{};
  return ::stat(ledger.c_str(), &status) == 0 ? status.st_gid : ::getegid();
}

void check(int result, const char* what) {
  if (result != 0) throw std::system_error(errno, std::generic_category(), what);
}

/// No program that is run from here could get a capability back, whatever its file has. Without
/// CAP_SETPCAP, as in some containers, no_new_privs alone sees to that.
void empty_bounding_set() {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability) >= 0; ++capability)
    if (::prctl(PR_CAPBSET_DROP, capability) != 0 && errno != EPERM)
      throw std::system_error(errno, std::generic_category(), "cannot give up capabilities");
}

}  // namespace

void drop_privileges(const std::string& user, const std::string& group, const std::string& ledger) {
  if (::geteuid() == 0) {
    const auto* found = ::getpwnam(user.c_str());
    if (found == nullptr) throw UsageError{"--user: there is no user '" + user + "'"};
    const auto uid = found->pw_uid;
    const auto gid = ledger_group(group, ledger);
    empty_bounding_set();
    check(::setgroups(0, nullptr), "cannot leave the supplementary groups");
    check(::setresgid(gid, gid, gid), "cannot change the group");
    check(::setresuid(uid, uid, uid), "cannot change the user");  // and lose all capabilities by it
  }
  check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "cannot set no_new_privs");
}

void end_with_parent(int parent) {
  check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "cannot follow the parent");
  if (::getppid() != parent) throw std::runtime_error("the parent process is gone");
}

}  // namespace vpowercap
