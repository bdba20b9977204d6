# SPDX-License-Identifier: Apache-2.0
"""A private host for guests with helpers: a shared directory, an emulated TPM and a disk of an iothread."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from environment import build_under_test, close_environment
from lab.cpu_time import CpuTime, cpu_time
from lab.guest import Guest, GuestSpec
from lab.image import build_image
from lab.kvm import kvm_works
from lab.libvirtd import PrivateHost
from lab.log import LabError, progress
from lab.stack import Stack, hook_text
from ledger_span import MAX_WATTS, Reading, Span

#: Size of the disk, and of the file `data` in the shared directory.
_MEBIBYTES = 32


def groups_of_vms() -> list[Path]:
    """Where libvirt puts the control groups of all VMs."""
    return [*Path("/sys/fs/cgroup").glob("machine"), *Path("/sys/fs/cgroup").glob("*/machine")]


def remove_groups(kept: set[Path]) -> None:
    """Removes those that were not there before, unless something is in them."""
    for group in set(groups_of_vms()) - kept:
        try:
            group.rmdir()
        except OSError:
            continue


class HelpedHost:
    """A private host with the stack. `groups`: whether libvirt makes each VM a control group."""

    def __init__(self, resources: ExitStack, *, groups: bool, tick: float = 1) -> None:
        close_environment()  # one libvirtd at a time is enough for a small machine
        build = build_under_test()
        scratch = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="vpowercap-")))
        self._image = build_image(scratch, agent=build.agent, agent_arguments="json",
                                  guest_mount=build.guest_mount)
        self._accelerator = "kvm" if kvm_works(self._image) else "qemu"
        self._port = 20000
        self._resources = resources
        self._tick = tick
        if groups:
            resources.callback(remove_groups, set(groups_of_vms()))
        self.host = resources.enter_context(PrivateHost(
            hook=hook_text(build), cgroup_controllers=("cpu", "cpuacct") if groups else ()))
        self.stack = Stack(self.host, build, [
            "--source=model", "--model-idle-watts=0", f"--model-max-watts={MAX_WATTS}",
            f"--tick={tick}", f"--stale-after={max(60, 3 * tick)}"])
        self.stack.start()

    def create(self, name: str) -> Guest:
        """Starts a guest with helpers; does not wait for it. It is destroyed with the host."""
        guest_uuid = str(uuid.uuid4())
        self._port += 10
        for path in (self._directory(guest_uuid) / "data", self._disk(guest_uuid)):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(bytes(_MEBIBYTES << 20))
        spec = GuestSpec(name, guest_uuid, self._image, self._port, iothreads=1,
                         accelerator=self._accelerator, devices=self._devices(guest_uuid))
        guest = Guest.create(self.host, spec)
        # Else its control group would stay behind.
        self._resources.callback(self.host.virsh, "destroy", guest_uuid, check=False)
        return guest

    def boot(self, name: str) -> Guest:
        """Starts a guest and waits until it is ready and in the ledger."""
        progress(f"booting the guest {name}")
        guest = self.create(name)
        guest.wait_ready()
        self.stack.wait_for_vm(guest.spec.uuid, 15 + self._tick)
        guest.check("mkdir /tmp/files && mount -t virtiofs files /tmp/files")
        return guest

    def wait_for_tick(self, after: float, timeout: float = 100) -> dict[str, Any]:
        """The ledger of the first tick seen that began after `after` (time.monotonic()).

        Errors: LabError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while (ledger := self.stack.list())["sampled_at_seconds"] <= after:
            if time.monotonic() > deadline:
                raise LabError("the ledger does not move: " + self.stack.log("vpowercapd")[-800:])
            time.sleep(0.05)
        return ledger

    def span(self, guests: tuple[Guest, ...], load: Callable[[], None]) -> Span:
        """Has `load` done between two ticks of the ledger, the kernel's counters read around each."""
        def reading() -> tuple[Reading, Reading]:
            before = self._cpu_times(guests)
            ledger = self.wait_for_tick(time.monotonic())
            return Reading(ledger, before), Reading(ledger, self._cpu_times(guests))

        outer_first, inner_first = reading()
        load()
        inner_last, outer_last = reading()
        return Span(outer_first, inner_first, inner_last, outer_last)

    def _cpu_times(self, guests: tuple[Guest, ...]) -> dict[str, CpuTime]:
        return {guest.spec.uuid: cpu_time(self.host, guest.spec.uuid) for guest in guests}

    def _directory(self, guest: str) -> Path:
        return self.host.path(f"/run/files-{guest}")

    def _disk(self, guest: str) -> Path:
        return self.host.path(f"/run/disk-{guest}")

    @staticmethod
    def _devices(guest: str) -> str:
        return f"""
    <filesystem type='mount' accessmode='passthrough'>
      <driver type='virtiofs'/>
      <binary><cache mode='none'/></binary>
      <source dir='/run/files-{guest}'/>
      <target dir='files'/>
    </filesystem>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' iothread='1'/>
      <source file='/run/disk-{guest}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"""
