# SPDX-License-Identifier: Apache-2.0
"""Daemon and server are killed at random while libvirtd restarts and VMs come and go: every VM starts, and a reader of
one that stays sees nothing of it."""

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
from lab.stack import RUN_DIR, Stack, hook_text
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
        self.restarts = 0
        build = build_under_test()
        self.host = resources.enter_context(PrivateHost(hook=hook_text(build)))
        self.stack = Stack(self.host, build, ["--source=model", "--tick=0.2", "--keep-stopped=1"],
                           mount_options=["--forget-after=1", "--interval=100", "--longest-delay=100"])
        self.stack.start()

    def test_every_vm_starts_and_nothing_is_left(self) -> None:
        self.start_vm()
        self.end_vm()
        before = settled_residue(self.stack)
        staying = self.start_vm()
        self.running.remove(staying)
        self.stack.wait_for_vm(staying)
        reader = self.popen("share_reader.py", f"{RUN_DIR}/share/{staying}/intel-rapl/intel-rapl:0/energy_uj")
        self.stack.stop("vpowercapd", signal.SIGKILL)
        restless = self.popen("restless.py", "vpowercap-fs", str(_SEED), *self.stack.daemon_command())
        with reader, restless:
            try:
                for _ in range(_STARTS):
                    self.start_vm()
                    if self.chance.random() < 0.4:
                        self.restart_libvirtd(staying)
                    while len(self.running) >= self.chance.randint(1, _MOST_RUNNING):
                        self.end_vm()
                for _ in range(2):  # by each of the two signals, however few VMs there are
                    self.restart_libvirtd(staying)
                self.end_vm()
                kills = json.loads(restless.communicate(timeout=30)[0])
                seen = json.loads(reader.communicate(timeout=30)[0])
            finally:
                restless.kill()
                reader.kill()
        self.running.append(staying)
        while self.running:
            self.end_vm()
        self.stack.start_daemon()
        after = settled_residue(self.stack, before)
        self.assertEqual(after.without_memory(), before.without_memory())
        self.assertGreaterEqual(kills["program"], max(1, _STARTS // 3))
        self.assertGreaterEqual(kills["other"], max(1, _STARTS // 10))
        self.assertEqual(seen["wrong"], [])
        self.assertGreater(seen["changes"], 1)
        print(f"{_STARTS} VM starts, 0 failed; {kills['program']} daemons and {kills['other']} servers killed, "
              f"{self.restarts} restarts of libvirtd, {self.restarts // 2} of them after SIGKILL; "
              f"{after.told()} as before\n"
              f"{seen['reads']} reads of a share: 0 errors, 0 cut off, 0 decreasing; {seen['changes']} saw a new value",
              flush=True)

    def popen(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        """A program of this directory in the private host; it ends with its standard input."""
        return self.host.popen(["/usr/bin/python3", Path(__file__).with_name(script), *arguments],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               stderr=self.host.log_to("vpowercapd")["stderr"])

    def start_vm(self) -> str:
        """Its UUID. Errors: LabError when it does not start."""
        vm = str(uuid.uuid4())
        self.host.path("/run/vm.xml").write_text(bare_domain(f"vm-{vm}", vm, share=True))
        self.host.virsh("create", "--paused", "/run/vm.xml")
        self.running.append(vm)
        return vm

    def end_vm(self) -> None:
        if self.running:
            vm = self.running.pop(self.chance.randrange(len(self.running)))
            try:
                self.host.virsh("destroy", vm)
            except LabError as error:
                self.fail(f"{error}\n{self.host.log_text('libvirtd')[-3000:]}")

    def restart_libvirtd(self, *others: str) -> None:
        """VMs go on, every other time though it is killed: libvirt kills those whose hook fails at its reconnect."""
        self.host.stop_libvirtd(signal.SIGKILL if self.restarts % 2 else signal.SIGTERM)
        self.host.start_libvirtd()
        self.restarts += 1
        for vm in (*self.running, *others):
            self.assertEqual(self.host.virsh("domstate", vm).strip(), "paused")


if __name__ == "__main__":
    unittest.main()
