# SPDX-License-Identifier: Apache-2.0
"""Daemon and server are killed at random while libvirtd restarts and VMs come and go: every VM starts."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import unittest
import uuid
from contextlib import ExitStack
from pathlib import Path

from environment import build_under_test, close_environment
from hook_host import bare_domain
from lab.libvirtd import PrivateHost
from lab.log import LabError
from lab.stack import Stack, hook_text
from residue import settled_residue

_STARTS = int(os.environ.get("VPOWERCAP_RESTLESS_STARTS", "5"))
_SEED = int(os.environ.get("VPOWERCAP_RESTLESS_SEED", "1"))
_MOST_RUNNING = 3


class AllAtOnceTest(unittest.TestCase):
    def setUp(self) -> None:
        close_environment()
        resources = self.enterContext(ExitStack())
        self.chance = random.Random(_SEED)
        self.running: list[str] = []
        build = build_under_test()
        self.host = resources.enter_context(PrivateHost(hook=hook_text(build)))
        self.stack = Stack(self.host, build, ["--source=model", "--tick=0.2", "--keep-stopped=1"],
                           mount_options=["--forget-after=1", "--interval=100", "--longest-delay=100"])
        self.stack.start()

    def test_every_vm_starts_and_nothing_is_left(self) -> None:
        self.start_vm()
        self.end_vm()
        before = settled_residue(self.stack)
        self.stack.stop("vpowercapd", signal.SIGKILL)
        restless = self.host.popen(
            ["/usr/bin/python3", Path(__file__).with_name("restless.py"), "vpowercap-fs", str(_SEED),
             *self.stack.daemon_command()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            stderr=self.host.log_to("vpowercapd")["stderr"])
        restarts = 0
        with restless:
            try:
                for _ in range(_STARTS):
                    self.start_vm()
                    if self.chance.random() < 0.4:
                        restarts += self.restart_libvirtd()
                    while len(self.running) >= self.chance.randint(1, _MOST_RUNNING):
                        self.end_vm()
                restarts += self.restart_libvirtd()
                self.end_vm()
                kills = json.loads(restless.communicate(timeout=30)[0])
            finally:
                restless.kill()
        while self.running:
            self.end_vm()
        self.stack.start_daemon()
        after = settled_residue(self.stack, before)
        print(f"{_STARTS} VM starts, 0 failed; {kills['program']} daemons and {kills['other']} servers killed, "
              f"{restarts} restarts of libvirtd; {after.vms} VMs, {len(after.mounts)} mounts, "
              f"{len(after.files)} files as before", flush=True)
        self.assertEqual(after.without_memory(), before.without_memory())
        self.assertGreater(kills["program"], 0)

    def start_vm(self) -> None:
        """Errors: LabError when it does not start."""
        vm = str(uuid.uuid4())
        self.host.path("/run/vm.xml").write_text(bare_domain(f"vm-{vm}", vm, share=True))
        self.host.virsh("create", "--paused", "/run/vm.xml")
        self.running.append(vm)

    def end_vm(self) -> None:
        if self.running:
            vm = self.running.pop(self.chance.randrange(len(self.running)))
            try:
                self.host.virsh("destroy", vm)
            except LabError as error:
                self.fail(f"{error}\n{self.host.log_text('libvirtd')[-3000:]}")

    def restart_libvirtd(self) -> int:
        """VMs go on: libvirt kills those whose hook fails at its reconnect."""
        self.host.stop_libvirtd()
        self.host.start_libvirtd()
        for vm in self.running:
            self.assertEqual(self.host.virsh("domstate", vm).strip(), "paused")
        return 1


if __name__ == "__main__":
    unittest.main()
