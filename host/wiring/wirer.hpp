// SPDX-License-Identifier: Apache-2.0
// Wiring of one VM through libvirt.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.hpp"
#include "common/base/uuid.hpp"
#include "host/hypervisor/connection.hpp"
#include "host/wiring/wire_xml.hpp"

namespace vpowercap {

/// A VM with a persistent definition. Not thread-safe.
class PersistentVm {
 public:
  /// Finds the VM by UUID, else by name. Errors: ENOENT when there is none, ENOTSUP for a transient
  /// one: it has no definition that could be changed.
  static Result<PersistentVm> find(virConnectPtr connection, const std::string& uuid_or_name);

  [[nodiscard]] const Uuid& uuid() const { return uuid_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool running() const;
  /// The definition; `with_secrets`, the passwords in it, is what define() needs and a read-only
  /// connection refuses. Errors: EIO.
  [[nodiscard]] Result<std::string> definition(bool with_secrets) const;
  /// Replaces the definition. Errors: EIO with libvirt's reason.
  [[nodiscard]] Result<void> define(virConnectPtr connection, const std::string& xml) const;

 private:
  LibvirtDomain domain_;
  Uuid uuid_;
  std::string name_;
};

}  // namespace vpowercap
