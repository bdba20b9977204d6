# SPDX-License-Identifier: Apache-2.0
"""Runs the product inside a PrivateHost, at its default places there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from lab.build import SOURCE, Build
from lab.libvirtd import PrivateHost
from lab.log import LabError

RUN_DIR = "/run/vpowercap"


def hook_text(build: Build) -> str:
    """The hook as it is installed, calling a build directory's program."""
    template = (SOURCE / "libvirt-hooks/vpowercap.sh.in").read_text()
    return template.replace("@program@", str(build.hook)).replace("@run_dir@", RUN_DIR)


class Stack:
    """vpowercapd, vpowercap-mount with its server, and the agent. Each can be stopped and started."""

    def __init__(self, host: PrivateHost, build: Build, daemon_options: Sequence[str],
                 mount_options: Sequence[str] = ()) -> None:
        self.host = host
        self.build = build
        self.daemon_options = list(daemon_options)
        self.mount_options = list(mount_options)
        self._running: dict[str, subprocess.Popen[Any]] = {}

    def start(self) -> None:
        """Starts the daemon and the mount and waits until they serve."""
        self.start_daemon()
        self.start_mount()

    def start_daemon(self) -> None:
        """Starts vpowercapd and waits until its first tick is in the ledger."""
        ticks = self._ticks()
        self._launch("vpowercapd", self.daemon_command())
        self._wait("vpowercapd", lambda: self._ticks() > ticks, "writes no ledger")

    def daemon_command(self) -> list[str]:
        """How the daemon is started."""
        return [str(self.build.daemon), *self.daemon_options]

    def start_mount(self) -> None:
        """Starts vpowercap-mount and waits until the FUSE mount is there."""
        self._launch("vpowercap-mount", [self.build.mount, "--server", self.build.server, *self.mount_options])
        self._wait("vpowercap-mount", self.is_mounted, "makes no mount")

    def start_agent(self, options: Sequence[str], port: int) -> None:
        """Starts vpowercap-agent on the host and waits until it serves metrics on `port`."""
        self._launch("vpowercap-agent", [self.build.agent, *options])

        def answers() -> bool:
            try:
                return bool(self.host.http_get(port, "/metrics"))
            except (OSError, LabError):  # its HTTP server listens, and answers 404, before it has the page
                return False

        self._wait("vpowercap-agent", answers, "serves no metrics")

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """Ends one of the programs and says how it ended (as subprocess does).

        Errors: LabError when it has not ended after 20 s."""
        process = self._running.pop(name)
        process.send_signal(how)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise LabError(f"{name} has not ended 20 s after {how.name}") from error

    def signal(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to one of the programs."""
        self._running[name].send_signal(number)

    def descriptors(self, name: str) -> list[str]:
        """What one of the programs has open, as /proc shows it."""
        directory = f"/proc/{self._running[name].pid}/fd"
        links = []
        for entry in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):
                links.append(os.readlink(f"{directory}/{entry}"))
        return links

    def is_mounted(self) -> bool:
        """Whether a FUSE file system is mounted on the server's place."""
        table = self.host.path("/proc/1/mounts").read_text()
        return re.search(rf" {RUN_DIR}/fs fuse", table) is not None

    def ctl(self, *arguments: str) -> str:
        """The output of the operator's command. Errors: LabError."""
        return self.host.run([self.build.ctl, *arguments]).stdout

    def list(self) -> dict[str, Any]:
        """`vpowercap list --json`. Errors: LabError."""
        found: dict[str, Any] = json.loads(self.ctl("list", "--json"))
        return found

    def vm(self, uuid: str) -> dict[str, Any]:
        """The entry of one VM in list(). Errors: LabError when there is none."""
        for vm in self.list()["vms"]:
            if vm["uuid"] == uuid:
                found: dict[str, Any] = vm
                return found
        raise LabError(f"the ledger has no VM {uuid}")

    def wait_for_vm(self, uuid: str, timeout: float = 15) -> None:
        """Waits until the ledger shows energy of a VM."""
        def has_energy() -> bool:
            return any(vm["uuid"] == uuid and vm["joules"] > 0 for vm in self.list()["vms"])

        self._wait("vpowercapd", has_energy, f"does not see VM {uuid}", timeout)

    def log(self, name: str) -> str:
        """What a program has said."""
        return self.host.log_text(name)

    def _ticks(self) -> int:
        try:
            return int(self.list()["tick"])
        except LabError:
            return 0

    def _launch(self, name: str, command: Sequence[Any]) -> None:
        self._running[name] = self.host.popen(command, **self.host.log_to(name))

    def _wait(self, name: str, is_done: Callable[[], bool], complaint: str,
              timeout: float = 20) -> None:
        deadline = time.monotonic() + timeout
        while not is_done():
            process = self._running[name]
            if process.poll() is not None:
                raise LabError(f"{name} ended with {process.returncode}: {self.log(name)[-800:]}")
            if time.monotonic() > deadline:
                raise LabError(f"{name} {complaint}: {self.log(name)[-800:]}")
            time.sleep(0.1)
