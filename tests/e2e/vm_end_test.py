# SPDX-License-Identifier: Apache-2.0
"""A VM born or killed between two ticks is charged from its first moment and to its last."""

from __future__ import annotations

import os
import time
import unittest
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from helped import HelpedHost
from lab.cpu_time import QEMU, CpuTime, cpu_time, is_in_group, processes_of
from lab.guest import Guest
from loads import TPM_LOAD, WORK_SECONDS, work

#: Long enough for a VM to be born, work and be killed within one tick, on a slow machine too.
_TICK = 50.0


@dataclass(frozen=True)
class _Mark:
    """What the kernel told of a VM within a tick."""

    name: str
    uuid: str
    before: CpuTime  #: used, when last looked at
    most: float      #: that it can have used at its end or at the next tick, in seconds


class VmEndInGroupsTest(unittest.TestCase):
    """With a control group for each VM, which outlives QEMU and the helpers."""

    groups = True

    def setUp(self) -> None:
        self.lab = HelpedHost(self.enterContext(ExitStack()), groups=self.groups, tick=_TICK)
        self.old = self.lab.boot("old")
        for directory, program in processes_of(self.lab.host, self.old.spec.uuid).items():
            if is_in_group(directory, "old") != self.groups:
                self.skipTest(f"libvirt {'does not put' if self.groups else 'puts'} {program} into a "
                              "control group here")

    def test_vms_born_and_killed_between_two_ticks(self) -> None:
        first = self.lab.stack.list()  # a new one: boot() has waited for it
        old = self.old.spec.uuid
        brief, young = self.lab.create("brief"), self.lab.create("young")
        self.wait_until_used(brief)
        self.wait_until_used(young)
        work(self.old, TPM_LOAD, lambda: cpu_time(self.lab.host, old).of("swtpm"))
        self.assertLess(self.entry(first, old)["cpu_seconds"],
                        cpu_time(self.lab.host, old).total - WORK_SECONDS)
        ends = [self.kill(self.old), self.kill(brief)]
        before = cpu_time(self.lab.host, young.spec.uuid)
        self.assertEqual(self.lab.stack.list()["tick"], first["tick"], "a tick came in between")
        last = self.lab.wait_for_tick(time.monotonic())
        most = cpu_time(self.lab.host, young.spec.uuid).total
        for end in ends:
            with self.subTest(end.name):
                self.assert_end(self.entry(last, end.uuid), end)
        vm = self.entry(last, young.spec.uuid)
        self.assertEqual((vm["state"], vm["gaps"]), ("running", 0))
        self.assert_charged(vm, _Mark("young", young.spec.uuid, before, most))

    def assert_charged(self, vm: dict[str, Any], mark: _Mark) -> None:
        self.assertGreaterEqual(vm["cpu_seconds"], mark.before.total - mark.before.error)
        self.assertLessEqual(vm["cpu_seconds"], mark.most + mark.before.error)

    def assert_end(self, vm: dict[str, Any], end: _Mark) -> None:
        self.assertEqual((vm["state"], vm["gaps"]), ("stopped", 0))
        self.assert_charged(vm, end)

    def entry(self, ledger: dict[str, Any], uuid: str) -> dict[str, Any]:
        found: dict[str, Any] = next(vm for vm in ledger["vms"] if vm["uuid"] == uuid)
        return found

    def wait_until_used(self, guest: Guest) -> None:
        deadline = time.monotonic() + _TICK
        while cpu_time(self.lab.host, guest.spec.uuid).total < WORK_SECONDS:
            self.assertLess(time.monotonic(), deadline, f"{guest.spec.name} does not run")
            time.sleep(0.05)

    def kill(self, guest: Guest) -> _Mark:
        """Destroys a VM. Until it is gone it can have run on all CPUs."""
        asked = time.monotonic()
        before = cpu_time(self.lab.host, guest.spec.uuid)
        guest.destroy()
        most = before.total + (time.monotonic() - asked) * (os.cpu_count() or 1)
        return _Mark(guest.spec.name, guest.spec.uuid, before, most)


class VmEndTest(VmEndInGroupsTest):
    """Without: QEMU's own total lives until it is reaped, and what its helpers did last is the host's."""

    groups = False

    def assert_end(self, vm: dict[str, Any], end: _Mark) -> None:
        self.assertEqual(vm["state"], "stopped")
        self.assertLessEqual(vm["cpu_seconds"], end.most + end.before.error)
        # Whether the daemon or who reaps QEMU comes first is open; a loss must be told as a gap.
        if vm["gaps"] == 0:
            self.assertGreaterEqual(vm["cpu_seconds"], end.before.of(QEMU) - end.before.error)


if __name__ == "__main__":
    unittest.main()
