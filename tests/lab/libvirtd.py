# SPDX-License-Identifier: Apache-2.0
"""A libvirtd of its own in a private namespace, with directories, sockets and hooks of its own."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Sequence

from lab.log import LabError
from lab.namespace import PrivateNamespace

_HIDDEN = ("/etc/libvirt", "/etc/vpowercap", "/var/lib/libvirt", "/var/lib/vpowercap",
           "/var/log/libvirt", "/var/cache/libvirt")
_QEMU_CONF = """\
user = "root"
group = "root"
swtpm_user = "root"
swtpm_group = "root"
security_driver = "none"
remember_owner = 0
namespaces = []
cgroup_controllers = [%s]
"""
_LIBVIRTD_CONF = """\
unix_sock_group = "root"
auth_unix_ro = "none"
auth_unix_rw = "none"
"""
_ACCOUNT = "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n"
_GROUP = "libvirt-qemu:x:64055:\n"
_HOOKS = "/etc/libvirt/hooks"


class PrivateHost(PrivateNamespace):
    """A host beside the host: `with PrivateHost() as host: host.virsh("list")`.

    `hook` is the text of a program put in /etc/libvirt/hooks/qemu.d before libvirtd starts, which is
    when libvirtd looks. `cgroup_controllers` empty (the default) keeps libvirt away from the machine's cgroups; live
    attachment of devices needs ("cpu", "cpuacct"), which leaves a /machine cgroup behind.
    """

    def __init__(self, hook: str | None = None, cgroup_controllers: Sequence[str] = ()) -> None:
        super().__init__(_HIDDEN)
        self._hook = hook
        self._cgroup_controllers = cgroup_controllers

    def __enter__(self) -> PrivateHost:
        super().__enter__()
        try:
            self._configure()
            self.popen(["virtlogd"], **self.log_to("virtlogd"))
            self.start_libvirtd()
        except BaseException:
            self.close()
            raise
        return self

    def virsh(self, *arguments: str, check: bool = True, input: str | None = None) -> str:
        """The output of a virsh command. Errors: LabError when `check` and it fails."""
        return self.run(["virsh", "-q", "-c", "qemu:///system", *arguments], check=check,
                        input=input).stdout

    def start_libvirtd(self) -> None:
        """Starts libvirtd and waits until it answers."""
        self._libvirtd = self.popen(["libvirtd"], before_exec=_leave_apparmor_profile,
                                    **self.log_to("libvirtd"))
        deadline = time.monotonic() + 30
        while self.run(["virsh", "-q", "-c", "qemu:///system", "list"], check=False).returncode != 0:
            if self._libvirtd.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"libvirtd does not answer: {self.log_text('libvirtd')[-800:]}")
            time.sleep(0.1)

    def stop_libvirtd(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stops libvirtd; guests go on."""
        self._libvirtd.send_signal(how)
        self._libvirtd.wait(30)

    def log_text(self, name: str) -> str:
        """What a daemon started here has written on stdout and stderr."""
        return self.path(f"/run/{name}.log").read_text(errors="replace")

    def log_to(self, name: str) -> dict[str, object]:
        """Popen's options that send a daemon's output to the file log_text() reads."""
        descriptor = os.open(self.path(f"/run/{name}.log"),
                             os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        # Kept open by the child; ours is closed with the namespace.
        self._resources.callback(os.close, descriptor)
        return {"stdout": descriptor, "stderr": descriptor}

    def _configure(self) -> None:
        controllers = ", ".join(f'"{name}"' for name in self._cgroup_controllers)
        self.path("/etc/libvirt/qemu.conf").write_text(_QEMU_CONF % controllers)
        self.path("/etc/libvirt/libvirtd.conf").write_text(_LIBVIRTD_CONF)
        # Debian's libvirt looks up its default account even when another is configured.
        for account, line in (("passwd", _ACCOUNT), ("group", _GROUP)):
            table = self.path(f"/etc/{account}")
            if not re.search(r"^libvirt-qemu:", table.read_text(), re.MULTILINE):
                with table.open("a") as file:
                    file.write(line)
        if self._hook:
            directory = self.path(f"{_HOOKS}/qemu.d")
            directory.mkdir(parents=True)
            program = directory / "50-vpowercap"
            program.write_text(self._hook)
            program.chmod(0o755)


def _leave_apparmor_profile() -> None:
    """Where the machine has a profile for libvirtd, asks that it does not hold for ours: it knows
    nothing of programs in a build directory."""
    try:
        with open("/proc/thread-self/attr/apparmor/exec", "w", encoding="ascii") as attribute:
            attribute.write("exec unconfined")
    except OSError:
        pass  # no AppArmor here
