// SPDX-License-Identifier: Apache-2.0
// A VM's persistent definition in libvirt.
#include "host/wiring/wirer.hpp"

#include "common/base/utf8.hpp"

namespace vpowercap {

Result<PersistentVm> PersistentVm::find(virConnectPtr connection, const std::string& uuid_or_name) {
  PersistentVm vm;
  if (Uuid::parse(uuid_or_name))
    vm.domain_.reset(::virDomainLookupByUUIDString(connection, uuid_or_name.c_str()));
  if (!vm.domain_) vm.domain_.reset(::virDomainLookupByName(connection, uuid_or_name.c_str()));
  if (!vm.domain_)
    return fail(ENOENT, "libvirt has no VM with the UUID or name \"" + printable(uuid_or_name) + "\"");
  if (::virDomainGetUUID(vm.domain_.get(), vm.uuid_.bytes.data()) != 0)
    return fail_libvirt("cannot read the VM's UUID");
  vm.name_ = ::virDomainGetName(vm.domain_.get());
  const int persistent = ::virDomainIsPersistent(vm.domain_.get());
  if (persistent < 0) return fail_libvirt("cannot ask whether the VM is persistent");
  if (persistent == 0)
    return fail(ENOTSUP,
                "the VM \"" + printable(vm.name_) +
                    "\" is transient: it has no definition to change, add the share to the XML "
                    "it is created from");
  return vm;
}

bool PersistentVm::running() const { return ::virDomainIsActive(domain_.get()) == 1; }

Result<std::string> PersistentVm::definition(bool with_secrets) const {
  unsigned int flags = VIR_DOMAIN_XML_INACTIVE;
  if (with_secrets) flags |= VIR_DOMAIN_XML_SECURE;
  return domain_xml(domain_.get(), flags);
}

Result<void> PersistentVm::define(virConnectPtr connection, const std::string& xml) const {
  const LibvirtDomain defined(::virDomainDefineXML(connection, xml.c_str()));
  if (!defined)
    return fail_libvirt("libvirt refuses the changed definition of \"" + printable(name_) + "\"");
  return {};
}

}  // namespace vpowercap
