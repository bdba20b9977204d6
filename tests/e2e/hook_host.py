# SPDX-License-Identifier: Apache-2.0
"""A private host for the hook alone: VMs that start in no time, and a daemon in each of its states."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from environment import build_under_test, close_environment
from lab.libvirtd import PrivateHost
from lab.stack import RUN_DIR, Stack, hook_text

#: What may have become of the daemon, or of all of vpowercap but the hook.
STATES = ("alive", "dead", "without a socket", "stopped", "hung", "uninstalled")

_HOOK = "/etc/libvirt/hooks/qemu.d/50-vpowercap"
_PROGRAM = "/run/hook-program"
_XML = "/run/called.xml"


@dataclass(frozen=True)
class Calls:
    """How many calls of the hook went: milliseconds, and the ones that failed or said something."""

    p50: float
    p99: float
    max: float
    wrong: list[str]


def bare_domain(name: str, vm: str, share: bool = False) -> str:
    """A VM without memory to speak of, disks or an operating system; `share`: with what vpowercap shares."""
    memory = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
    filesystem = f"""<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/>
    <binary><cache mode='none'/></binary><source dir='{RUN_DIR}/share/{vm}'/><target dir='vpowercap'/></filesystem>"""
    return f"""
<domain type='qemu'><name>{name}</name><uuid>{vm}</uuid><memory unit='MiB'>8</memory>{memory if share else ""}
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices><controller type='usb' model='none'/><memballoon model='none'/>{filesystem if share else ""}</devices>
</domain>
"""


class HookHost:
    """A private libvirtd with the hook, and vpowercapd without a mount: what makes directories is the hook."""

    def __init__(self, resources: ExitStack) -> None:
        close_environment()  # one libvirtd at a time is enough for a small machine
        build = build_under_test()
        text = hook_text(build).replace(str(build.hook), _PROGRAM)
        self._program = build.hook
        self.host = resources.enter_context(PrivateHost(hook=text))
        self._install()
        self.stack = Stack(self.host, build, ["--source=model"])
        self.stack.start_daemon()
        self.host.path(_XML).write_text(bare_domain("called", str(uuid.uuid4())))

    @contextmanager
    def daemon(self, state: str) -> Iterator[None]:
        """Puts the daemon into one of STATES, and back."""
        with ExitStack() as undo:
            if state in ("dead", "without a socket"):
                self.stack.stop("vpowercapd", signal.SIGKILL)
                undo.callback(self.stack.start_daemon)
            if state == "without a socket":
                self.host.path(f"{RUN_DIR}/control").unlink()
            if state in ("stopped", "hung"):
                self.stack.signal("vpowercapd", signal.SIGSTOP)
                undo.callback(self.stack.signal, "vpowercapd", signal.SIGCONT)
            if state == "hung":
                self._fill_socket(undo)
            if state == "uninstalled":
                self.stack.stop("vpowercapd")
                undo.callback(self.stack.start_daemon)
                self.host.path(_PROGRAM).unlink()
                self._empty_run_dir()
                undo.callback(self._install)
            yield

    def call(self, count: int) -> Calls:
        """Calls the hook as libvirt does."""
        script = Path(__file__).with_name("time_calls.py")
        told = json.loads(self.host.run(["/usr/bin/python3", script, str(count), _XML, _HOOK], timeout=600).stdout)
        calls = Calls(**told)
        return replace(calls, p50=calls.p50 * 1000, p99=calls.p99 * 1000, max=calls.max * 1000)

    def start_vm(self, name: str, *, share: bool) -> bool:
        """Has libvirt start a VM and destroys it; whether the hook had made its directory. `share`: it is wired.

        Errors: LabError when it does not start."""
        vm = str(uuid.uuid4())
        path = self.host.path(f"/run/{name}.xml")
        path.write_text(bare_domain(name, vm, share))
        try:
            self.host.virsh("create", "--paused", f"/run/{name}.xml")
        finally:
            path.unlink()
        made = self.host.path(f"{RUN_DIR}/share/{vm}/intel-rapl").is_dir()
        self.host.virsh("destroy", vm)
        return made

    def remove_hook(self) -> None:
        """Takes away what libvirt calls, while libvirtd runs."""
        self.host.path(_HOOK).unlink()

    def _install(self) -> None:
        shutil.copy(self._program, self.host.path(_PROGRAM))

    def _empty_run_dir(self) -> None:
        """Leaves of the run directory what a boot of the machine leaves: nothing."""
        for place in ("share", "share.rw"):
            self.host.run(["umount", f"{RUN_DIR}/{place}"], check=False)
        shutil.rmtree(self.host.path(RUN_DIR))

    def _fill_socket(self, undo: ExitStack) -> None:
        """Takes all places in the queue of the daemon's socket, so that a connect would wait."""
        filler = self.host.popen(["/usr/bin/python3", Path(__file__).with_name("fill_socket.py"),
                                  f"{RUN_DIR}/control"], stdout=subprocess.PIPE, text=True)
        undo.callback(filler.communicate)
        undo.callback(filler.kill)
        assert filler.stdout and filler.stdout.readline() == "full\n"
