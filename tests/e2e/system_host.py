# SPDX-License-Identifier: Apache-2.0
"""A private host for guests with systemd, to which the share can be attached while they run."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from environment import build_under_test, close_environment
from helped import remove_groups, groups_of_vms
from lab.guest import Guest, GuestSpec
from lab.kvm import kvm_works
from lab.libvirtd import PrivateHost
from lab.log import LabError, progress
from lab.stack import Stack, hook_text
from lab.system_image import build_system_image

#: Places to attach devices to.
_FREE_PORTS = "".join(f"<controller type='pci' index='{number}' model='pcie-root-port'/>"
                      for number in range(1, 5))


class SystemHost:
    """A private host with the stack, whose libvirtd makes control groups: 9.0 needs them to attach."""

    def __init__(self, resources: ExitStack) -> None:
        close_environment()  # one libvirtd at a time is enough for a small machine
        build = build_under_test()
        scratch = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="vpowercap-")))
        self._image = build_system_image(scratch, build.guest_mount)
        self._accelerator = "kvm" if kvm_works(self._image) else "qemu"
        self._port = 20000
        self._resources = resources
        resources.callback(remove_groups, set(groups_of_vms()))
        self.host = resources.enter_context(PrivateHost(
            hook=hook_text(build), cgroup_controllers=("cpu", "cpuacct")))
        self.stack = Stack(self.host, build, ["--source=model"])
        self.stack.start()

    def create(self, name: str, *, wired: bool) -> Guest:
        """Starts a guest; does not wait for it. It is destroyed with the host."""
        self._port += 10
        spec = GuestSpec(name, str(uuid.uuid4()), self._image, self._port, wired=wired, memory_mib=640,
                         accelerator=self._accelerator, devices=_FREE_PORTS)
        progress(f"booting the guest {name}")
        guest = Guest.create(self.host, spec)
        self._resources.callback(self.host.virsh, "destroy", spec.uuid, check=False)
        return guest


def filesystem(guest: Guest) -> str:
    """The device of a guest's share, as libvirt attaches and detaches it."""
    return f"""
<filesystem type='mount' accessmode='passthrough'>
  <driver type='virtiofs'/>
  <binary><cache mode='none'/></binary>
  <source dir='/run/vpowercap/share/{guest.spec.uuid}'/>
  <target dir='vpowercap'/>
</filesystem>"""


def attach(guest: Guest) -> None:
    """Gives a running guest its share."""
    guest.host.virsh("attach-device", guest.spec.uuid, "/dev/stdin", "--live", input=filesystem(guest))


def detach(guest: Guest) -> None:
    """Takes the share from a running guest."""
    guest.host.virsh("detach-device", guest.spec.uuid, "/dev/stdin", "--live", input=filesystem(guest))


def wait_for(what: str, is_so: Callable[[], bool], timeout: float = 60) -> None:
    """Errors: LabError when it is not so after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not is_so():
        if time.monotonic() > deadline:
            raise LabError(f"waited for {what}")
        time.sleep(0.2)
