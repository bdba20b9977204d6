// SPDX-License-Identifier: Apache-2.0
// Owners of libvirt's handles, and its errors as ours.
#pragma once

#include <libvirt/libvirt.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.hpp"

namespace vpowercap {

struct ConnectionCloser {
  void operator()(virConnectPtr connection) const { ::virConnectClose(connection); }
};
struct DomainFreer {
  void operator()(virDomainPtr domain) const { ::virDomainFree(domain); }
};
using LibvirtConnection = std::unique_ptr<virConnect, ConnectionCloser>;
using LibvirtDomain = std::unique_ptr<virDomain, DomainFreer>;

/// Prepares libvirt's client library once per process: its default event loop, and silence instead of
/// its own lines on standard error. Called by connect_libvirt().
void initialize_libvirt();

/// What failed last in this thread, as "WHAT: libvirt's own sentence" with code EIO.
tl::unexpected<Error> fail_libvirt(const std::string& what);

/// Opens a connection; waits as long as libvirtd takes. Errors: EIO naming the URI.
Result<LibvirtConnection> connect_libvirt(const std::string& uri, bool read_only);

/// All active domains. Errors: EIO.
Result<std::vector<LibvirtDomain>> active_domains(virConnectPtr connection);

/// The domain's XML; `flags` of virDomainXMLFlags. Errors: ENOENT when there is no such domain any
/// more; EIO.
Result<std::string> domain_xml(virDomainPtr domain, unsigned int flags);

}  // namespace vpowercap
