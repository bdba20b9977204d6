// SPDX-License-Identifier: Apache-2.0
// libvirt's handles.
#include "host/hypervisor/connection.hpp"

#include <libvirt/virterror.h>

#include <cstdlib>
#include <mutex>

namespace vpowercap {

void initialize_libvirt() {
  static std::once_flag once;
  std::call_once(once, [] {
    ::virSetErrorFunc(nullptr, [](void*, virErrorPtr) noexcept {});
    ::virInitialize();
    ::virEventRegisterDefaultImpl();
  });
}

tl::unexpected<Error> fail_libvirt(const std::string& what) {
  const char* reason = ::virGetLastErrorMessage();
  return fail(EIO, what + ": " + (reason != nullptr ? reason : "unknown error"));
}

Result<LibvirtConnection> connect_libvirt(const std::string& uri, bool read_only) {
  initialize_libvirt();
  LibvirtConnection connection(read_only ? ::virConnectOpenReadOnly(uri.c_str())
                                         : ::virConnectOpen(uri.c_str()));
  if (!connection) return fail_libvirt("cannot connect to libvirt at " + uri);
  return connection;
}

Result<std::vector<LibvirtDomain>> active_domains(virConnectPtr connection) {
  virDomainPtr* list = nullptr;
  const int count = ::virConnectListAllDomains(connection, &list, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
  if (count < 0) return fail_libvirt("cannot list libvirt's domains");
  std::vector<LibvirtDomain> domains;
  for (int i = 0; i < count; ++i) domains.emplace_back(list[i]);
  std::free(list);
  return domains;
}

Result<std::string> domain_xml(virDomainPtr domain, unsigned int flags) {
  const std::unique_ptr<char, decltype(&std::free)> xml(::virDomainGetXMLDesc(domain, flags),
                                                        &std::free);
  if (xml) return std::string(xml.get());
  if (::virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) return fail(ENOENT, "the domain is gone");
  return fail_libvirt("cannot read a domain's XML");
}

}  // namespace vpowercap
