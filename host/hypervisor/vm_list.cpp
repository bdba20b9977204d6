// SPDX-License-Identifier: Apache-2.0
// The list of VMs, one look at libvirt after the other.
#include "host/hypervisor/vm_list.hpp"

#include <utility>

#include "common/base/utf8.hpp"
#include "common/procs/vm_process.hpp"
#include "host/hypervisor/domain_xml.hpp"
#include "host/hypervisor/qemu_process.hpp"

namespace vpowercap {

struct VmList::Look {
  Known known;
  bool listed = false;
  std::vector<Error> oddities;
};

void VmList::begin(Nanoseconds now) {
  now_ = now;
  before_ = std::exchange(list_, {});
}

void VmList::look_for_process(const Known* before, Look& look) const {
  VmDescription& vm = look.known.vm;
  const auto found = find_qemu_process(places_.pid_dir, places_.proc_root, vm);
  if (found) {
    look.listed = true;
    return;
  }
  if (found.error().code == EINVAL) {  // a name without a PID file, now and ever
    look.oddities.push_back(found.error());
    return;
  }
  if (before != nullptr && before->vm.pid != 0) {
    const auto start = process_start_ticks(places_.proc_root, before->vm.pid);
    if (!start || *start != before->vm.pid_start_ticks) return;  // ended: libvirt will say so, too
    vm.pid = before->vm.pid;
    vm.pid_start_ticks = before->vm.pid_start_ticks;
    vm.state = VmState::running;
    look.oddities.push_back(found.error());
    look.listed = true;
    return;
  }
  // libvirt lists a domain before its QEMU runs, and the PID is that of a child of libvirtd at first.
  look.known.without_process_since = before != nullptr && before->without_process_since.count() > 0
                                         ? before->without_process_since
                                         : now_;
  if (now_ - look.known.without_process_since >= start_grace) look.oddities.push_back(found.error());
  look.listed = true;
}

void VmList::add(const Uuid& uuid, const Result<std::string>& xml) {
  if (!xml && xml.error().code == ENOENT) return;
  const auto found = before_.find(uuid);
  const Known* before = found == before_.end() ? nullptr : &found->second;
  Look look;
  std::optional<Error> metadata_problem;
  const auto vm = xml ? parse_domain_xml(*xml, defaults_, metadata_problem)
                      : Result<VmDescription>(tl::unexpected(xml.error()));
  if (metadata_problem) look.oddities.push_back(*metadata_problem);
  if (vm) {
    look.known.vm = *vm;
    look.known.vm.uuid = uuid;
    look_for_process(before, look);
  } else {
    look.oddities.push_back(vm.error());
    look.listed = before != nullptr;
    if (before != nullptr) look.known = *before;
  }
  tell(uuid, before, look);
  if (!look.listed) look.known.vm.state = VmState::stopped;  // remembered only for its oddities
  list_[uuid] = std::move(look.known);
}

void VmList::tell(const Uuid& uuid, const Known* before, Look& look) {
  Known& known = look.known;
  std::set<std::string> said;
  known.tellings = before != nullptr ? before->tellings : Tellings{};
  if (now_ - known.tellings.since >= telling_period) known.tellings = {now_, 0};
  for (const auto& oddity : look.oddities) {
    if (before == nullptr || !before->oddities.contains(oddity.message)) {
      if (known.tellings.count == most_tellings) continue;  // told later, if it is still there
      ++known.tellings.count;
      problems_.push_back(
          {oddity.code,
           "VM " + uuid.to_string() + " (" + printable(known.vm.name) + "): " + oddity.message,
           uuid.to_string()});
    }
    said.insert(oddity.message);
  }
  known.oddities = std::move(said);
}

std::vector<VmDescription> VmList::finish() const {
  std::vector<VmDescription> vms;
  for (const auto& [uuid, known] : list_)
    if (known.vm.state != VmState::stopped) vms.push_back(known.vm);
  return vms;
}

std::vector<Error> VmList::take_problems() { return std::exchange(problems_, {}); }

}  // namespace vpowercap
