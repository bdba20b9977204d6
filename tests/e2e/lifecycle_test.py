# SPDX-License-Identifier: Apache-2.0
"""VMs come and go: nothing of them is left, no memory is lost, and who gets their PIDs is not charged to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import unittest
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from environment import build_under_test, close_environment
from hook_host import bare_domain
from lab.libvirtd import PrivateHost
from lab.stack import Stack, hook_text
from residue import Residue, settled_residue

_FAKE = int(os.environ.get("VPOWERCAP_FAKE_LIFECYCLES", "20"))
_REAL = int(os.environ.get("VPOWERCAP_REAL_LIFECYCLES", "4"))
_BATCH = 10
_DOMAINS = "/run/domains.xml"
_PIDS = "/run/fake-pids"
#: From the middle to the end: of 1,000 VMs, less than a KiB for each of 500. What is free goes back to the system late.
_MOST_GROWTH_KIB = 384
#: How many of 100 PIDs others must have got; in a short form one more or less is much.
_MOST_REUSED = 90 if _FAKE >= 100 else 50
#: A process's user and system time are rounded to clock ticks, and a sample lags behind the kernel.
_CPU_ERROR = 0.03


class FakeVms:
    """tests/e2e/fake_vms.py at work in the private host."""

    def __init__(self, host: PrivateHost, resources: ExitStack) -> None:
        script = Path(__file__).with_name("fake_vms.py")
        self._process = host.popen(["/usr/bin/python3", script, _DOMAINS, _PIDS], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        resources.enter_context(self._process)
        resources.callback(self._process.kill)

    def ask(self, words: str) -> Any:
        """The answer to a command."""
        assert self._process.stdin and self._process.stdout
        print(words, file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


class LifecycleTest(unittest.TestCase):
    def setUp(self) -> None:
        close_environment()
        self.resources = self.enterContext(ExitStack())
        self.checked = 0  # VMs that got no joule more

    def start(self, *options: str) -> None:
        build = build_under_test()
        self.host = self.resources.enter_context(PrivateHost(hook=hook_text(build)))
        self.stack = Stack(self.host, build, ["--source=model", "--tick=0.2", "--keep-stopped=5", *options],
                           mount_options=["--forget-after=1", "--interval=100"])

    def test_fake_vms_leave_nothing_and_their_pids_are_not_charged(self) -> None:
        self.start(f"--libvirt-uri=test://{_DOMAINS}", f"--libvirt-pid-dir={_PIDS}")
        fakes = FakeVms(self.host, self.resources)
        fakes.ask("clear")
        self.stack.start()
        self.live_and_die(fakes, stopped=False)
        self.live_and_die(fakes, stopped=True)
        before = settled_residue(self.stack)
        batches = max(2, -(-_FAKE // _BATCH))
        middle = before
        reused = 0
        for number in range(batches):
            if number == batches // 2:
                middle = settled_residue(self.stack, before)
            reused += self.live_and_die(fakes, stopped=number % 2 == 1)
        lives = batches * _BATCH
        self.assertEqual(self.checked, lives + 2 * _BATCH)
        self.assertGreaterEqual(reused * 100, _MOST_REUSED * lives)
        self.assert_as_before(before, middle, f"{lives} lifecycles of fake VMs, {reused} PIDs reused, {lives} VMs not "
                                              "charged for them")

    def test_a_pid_reused_while_the_daemon_is_away_is_not_charged(self) -> None:
        self.start(f"--libvirt-uri=test://{_DOMAINS}", f"--libvirt-pid-dir={_PIDS}")
        fakes = FakeVms(self.host, self.resources)
        fakes.ask("clear")
        self.stack.start_daemon()
        self.list_running(list(fakes.ask("start 5")))
        self.stack.stop("vpowercapd", signal.SIGKILL)
        before = {vm["uuid"]: vm for vm in self.stack.list()["vms"]}
        used = fakes.ask("kill")
        self.assertGreater(fakes.ask("reuse"), 0)
        self.stack.start_daemon()
        self.assert_not_charged(used)
        self.assertEqual(self.checked, 5)
        for vm in self.stack.list()["vms"]:
            self.assertGreaterEqual(vm["joules"], before[vm["uuid"]]["joules"])

    def test_real_vms_leave_nothing(self) -> None:
        self.start()
        self.stack.start()
        self.live_really(2)
        before = settled_residue(self.stack)
        self.live_really(_REAL // 2)
        middle = settled_residue(self.stack, before)
        self.live_really(_REAL - _REAL // 2)
        self.assert_as_before(before, middle, f"{_REAL} lifecycles of real VMs")

    def live_and_die(self, fakes: FakeVms, stopped: bool) -> int:
        """One batch of VMs, killed while the daemon looks or while it is stopped. How many PIDs others got."""
        self.list_running(list(fakes.ask(f"start {_BATCH}")))
        if stopped:
            self.stack.signal("vpowercapd", signal.SIGSTOP)
        used = fakes.ask("kill")
        reused: int = fakes.ask("reuse")
        if stopped:
            time.sleep(0.5)  # the others work unseen
            self.stack.signal("vpowercapd", signal.SIGCONT)
        self.assert_not_charged(used)
        fakes.ask("clear")
        self.stack.signal("vpowercapd", signal.SIGHUP)
        return reused

    def list_running(self, vms: list[str]) -> None:
        """Has the daemon find the VMs."""
        self.stack.signal("vpowercapd", signal.SIGHUP)
        self.wait_for(lambda found: all(vm in found and found[vm]["joules"] > 0 for vm in vms), "do not run")

    def assert_not_charged(self, used: dict[str, float]) -> None:
        """The VMs are stopped and charged for what they did, while others work under their PIDs."""
        found = self.wait_for(lambda found: all(vm in found and found[vm]["state"] == "stopped" for vm in used),
                              "do not stop")
        self.wait_for_ticks(3)
        later = {vm["uuid"]: vm for vm in self.stack.list()["vms"]}
        for vm, seconds in used.items():
            self.assertLessEqual(found[vm]["cpu_seconds"], seconds + _CPU_ERROR)
            self.assertEqual(later[vm]["joules"], found[vm]["joules"])
            self.checked += 1

    def wait_for(self, holds: Any, complaint: str) -> dict[str, Any]:
        """The VMs of the ledger when something holds of them."""
        deadline = time.monotonic() + 30
        while True:
            found = {vm["uuid"]: vm for vm in self.stack.list()["vms"]}
            if holds(found):
                return found
            self.assertLess(time.monotonic(), deadline, f"VMs {complaint}: {found}\n{self.stack.log('vpowercapd')}")
            time.sleep(0.05)

    def wait_for_ticks(self, count: int) -> None:
        first = self.stack.list()["tick"]
        while self.stack.list()["tick"] < first + count:
            time.sleep(0.05)

    def live_really(self, count: int) -> None:
        """Starts and destroys VMs with a share through libvirt, each known to the ledger meanwhile."""
        for number in range(count):
            vm = str(uuid.uuid4())
            self.host.path("/run/vm.xml").write_text(bare_domain(f"vm-{number}", vm, share=True))
            self.host.virsh("create", "--paused", "/run/vm.xml")
            self.wait_for(lambda found: vm in found and found[vm]["state"] == "running", "do not run")  # noqa: B023
            self.host.virsh("destroy", vm)

    def assert_as_before(self, before: Residue, middle: Residue, what: str) -> None:
        """Nothing is left, and from the middle on no program has grown. `what` is told of if so."""
        after = settled_residue(self.stack, before)
        self.assertEqual(after.without_memory(), before.without_memory())
        grown, late = after.growth_kib(before), after.growth_kib(middle)
        for name, kib in late.items():
            self.assertLess(kib, _MOST_GROWTH_KIB, name)
        told = ", ".join(f"{name} {after.resident_kib[name]} KiB ({kib:+d}, {late[name]:+d} in the second half)"
                         for name, kib in sorted(grown.items()))
        print(f"{what}: {told}; {after.told()} as before", flush=True)


if __name__ == "__main__":
    unittest.main()
