# SPDX-License-Identifier: Apache-2.0
"""What a VM's counter does when the VM is paused, reset, rebooted, saved, when it crashes and when it moves."""

from __future__ import annotations

import time
import unittest
from contextlib import ExitStack
from typing import Any

from environment import MODEL_IDLE_WATTS, MODEL_MAX_WATTS, environment
from lab.guest import Guest
from lab.libvirtd import PrivateHost
from lab.log import LabError
from lab.stack import Stack, hook_text

_ENERGY = "/sys/class/powercap/intel-rapl:0/energy_uj"
_BOOT_SECONDS = 180
_IDLE_RATIO_OF_PAUSED = 0.1  # of its dynamic power while it runs: QEMU's own threads go on


class VmEventsTest(unittest.TestCase):
    """Each with a guest of its own. Zones never go back, whatever happens to the VM."""

    def setUp(self) -> None:
        self.lab = environment()
        self.stack = self.lab.stack

    def boot(self, name: str, **settings: Any) -> Guest:
        guest = self.lab.create(name, load="busy", **settings)
        self.addCleanup(self.lab.host.virsh, "destroy", guest.spec.uuid, check=False)
        guest.wait_ready(_BOOT_SECONDS)
        self.stack.wait_for_vm(guest.spec.uuid)
        return guest

    def vm(self, guest: Guest) -> dict[str, Any]:
        return self.stack.vm(guest.spec.uuid)

    def read(self, guest: Guest) -> float:
        """Joules that the guest sees."""
        return int(guest.check(f"cat {_ENERGY}")) / 1e6

    def pid(self, guest: Guest) -> str:
        return self.lab.host.path(f"/run/libvirt/qemu/{guest.spec.name}.pid").read_text()

    def wait_for_state(self, guest: Guest, state: str) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while (vm := self.vm(guest))["state"] != state:
            self.assertLess(time.monotonic(), deadline, f"{guest.spec.name} is not {state}: {vm}")
            time.sleep(0.1)
        return vm

    def growth(self, guest: Guest, seconds: float) -> tuple[float, float]:
        """Idle and dynamic watts over some seconds."""
        time.sleep(2)  # what is published may be of before
        begin, first = time.monotonic(), self.vm(guest)
        time.sleep(seconds)
        second = self.vm(guest)
        passed = time.monotonic() - begin
        return tuple((second[key] - first[key]) / passed for key in ("idle_joules", "dynamic_joules"))

    def wait_for_boot(self, guest: Guest, boots: int) -> None:
        """Waits until the guest has booted that often: its console says so each time."""
        deadline = time.monotonic() + _BOOT_SECONDS
        while guest.console().count("lab: ready") < boots:
            self.assertLess(time.monotonic(), deadline, guest.console()[-800:])
            time.sleep(0.3)
        guest.wait_ready(_BOOT_SECONDS)

    def test_a_paused_vm_pays_for_what_it_holds_and_goes_on(self) -> None:
        guest = self.boot("paused")
        _, working = self.growth(guest, 5)
        before = self.read(guest)
        self.lab.host.virsh("suspend", guest.spec.uuid)
        idle, dynamic = self.growth(guest, 5)
        paused = self.vm(guest)["published_joules"]
        self.lab.host.virsh("resume", guest.spec.uuid)
        after = self.read(guest)
        print(f"paused: {idle:.2f} W idle, {dynamic:.2f} W dynamic; running: {working:.2f} W dynamic")
        self.assertGreater(idle, 0)
        self.assertLess(dynamic, working * _IDLE_RATIO_OF_PAUSED)
        self.assertGreaterEqual(paused, before)
        self.assertGreaterEqual(after, paused)

    def test_a_reset_or_reboot_leaves_the_counter_alone(self) -> None:
        guest = self.boot("reset", on_reboot="restart")
        pid, before = self.pid(guest), self.read(guest)
        self.lab.host.virsh("reset", guest.spec.uuid)
        self.wait_for_boot(guest, 2)
        after_reset = self.read(guest)
        guest.run("(sleep 1; reboot -f) >/dev/null 2>&1 </dev/null &")
        self.wait_for_boot(guest, 3)
        after_reboot = self.read(guest)
        print(f"read {before:.3f} J before a reset, {after_reset:.3f} J after it, {after_reboot:.3f} J after a reboot")
        self.assertEqual(self.pid(guest), pid)
        self.assertEqual(sorted([before, after_reset, after_reboot]), [before, after_reset, after_reboot])
        self.assertEqual(self.vm(guest)["state"], "running")

    def test_a_vm_that_crashed_goes_on_counting_when_it_starts_again(self) -> None:
        guest = self.boot("crashed")
        before = self.read(guest)
        self.lab.host.run(["kill", "-KILL", self.pid(guest)])
        crashed = self.wait_for_state(guest, "stopped")
        time.sleep(3)
        self.assertEqual(self.vm(guest)["joules"], crashed["joules"], "a VM that is gone uses no energy")
        again = Guest.create(self.lab.host, guest.spec)
        again.wait_ready(_BOOT_SECONDS)
        after = self.read(again)
        print(f"read {before:.3f} J before a crash, {after:.3f} J after the next start")
        self.assertGreaterEqual(crashed["published_joules"], before)
        self.assertGreaterEqual(after, crashed["published_joules"])
        self.assertEqual(self.vm(guest)["state"], "running")

    def test_a_vm_that_cannot_be_saved_reads_on(self) -> None:
        """libvirt 9.0 does not save a VM with a virtiofs device; nothing of ours may be the worse for it."""
        guest = self.boot("unsaved")
        before = self.read(guest)
        with self.assertRaisesRegex(LabError, "non-migratable|vhost-user-fs|migrat"):
            self.lab.host.virsh("save", guest.spec.uuid, "/run/unsaved.save")
        self.assertGreaterEqual(self.read(guest), before)

    def test_a_saved_vm_goes_on_where_it_was(self) -> None:
        guest = self.boot("saved", wired=False)
        pid = self.pid(guest)
        self.lab.host.virsh("save", guest.spec.uuid, "/run/saved.save")
        saved = self.wait_for_state(guest, "stopped")
        time.sleep(3)
        self.assertEqual(self.vm(guest)["joules"], saved["joules"], "a VM on disk uses no energy")
        self.lab.host.virsh("restore", "/run/saved.save")
        restored = self.wait_for_state(guest, "running")
        print(f"saved with {saved['joules']:.3f} J, restored with {restored['joules']:.3f} J")
        self.assertNotEqual(self.pid(guest), pid)
        self.assertGreaterEqual(restored["published_joules"], saved["published_joules"])
        _, dynamic = self.growth(guest, 5)
        self.assertGreater(dynamic, 0)


class MovedVmTest(unittest.TestCase):
    """From the host of all tests to another, which has its own ledger, libvirtd and processes."""

    def test_the_guest_reads_on_at_the_other_host(self) -> None:
        lab = environment()
        guest = lab.create("moved", load="busy")
        self.addCleanup(lab.host.virsh, "destroy", guest.spec.uuid, check=False)
        guest.wait_ready(_BOOT_SECONDS)
        lab.stack.wait_for_vm(guest.spec.uuid)
        time.sleep(3)
        before = int(guest.check(f"cat {_ENERGY}")) / 1e6
        guest.destroy()
        state = lab.stack.ctl("state", "export", guest.spec.uuid)
        with ExitStack() as resources:
            host = resources.enter_context(PrivateHost(hook=hook_text(lab.build)))
            stack = Stack(host, lab.build, ["--source=model", f"--model-idle-watts={MODEL_IDLE_WATTS}",
                                            f"--model-max-watts={MODEL_MAX_WATTS}"])
            stack.start()
            host.run([lab.build.ctl, "state", "import", guest.spec.uuid], input=state)
            there = Guest.create(host, guest.spec)
            there.wait_ready(_BOOT_SECONDS)
            after = int(there.check(f"cat {_ENERGY}")) / 1e6
            own = stack.vm(guest.spec.uuid)["joules"]
        print(f"read {before:.3f} J here, {after:.3f} J there, where {own:.3f} J were counted")
        self.assertGreaterEqual(after, before)
        self.assertLess(own, after)


if __name__ == "__main__":
    unittest.main()
