# SPDX-License-Identifier: Apache-2.0
"""libvirtd comes late, is killed, restarted and replaced while vpowercapd lives: no VM is lost or counted twice."""

from __future__ import annotations

import signal
import time
import unittest
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from environment import MODEL_MAX_WATTS, build_under_test, close_environment
from hook_host import bare_domain
from lab.cpu_time import cpu_time
from lab.libvirtd import PrivateHost
from lab.stack import Stack

_FOLLOWS = "follows libvirt at"
_LOST = "lost the connection to libvirt"
_RELOADS = 20
#: The longest back-off is 30 s.
_TIMEOUT = 60.0


class LibvirtdLifeTest(unittest.TestCase):
    """Without the hook, whose messages would make the daemon look: it is on its own. Each VM has an idle share,
    so that its counter grows at each tick."""

    def setUp(self) -> None:
        close_environment()
        resources = self.enterContext(ExitStack())
        self.host = resources.enter_context(PrivateHost())
        self.stack = Stack(self.host, build_under_test(), ["--source=model", "--tick=0.2"])

    def start_vm(self, name: str, vm: str | None = None) -> str:
        vm = vm or str(uuid.uuid4())
        self.host.path(f"/run/{name}.xml").write_text(bare_domain(name, vm))
        self.host.virsh("create", "--paused", f"/run/{name}.xml")
        return vm

    def kill_vm(self, name: str) -> None:
        self.host.run(["kill", "-KILL", self.host.path(f"/run/libvirt/qemu/{name}.pid").read_text().strip()])

    def wait_for(self, holds: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + _TIMEOUT
        while not holds():
            self.assertLess(time.monotonic(), deadline, f"waited for {what}: {self.stack.log('vpowercapd')[-1500:]}")
            time.sleep(0.1)

    def times_said(self, words: str) -> int:
        return self.stack.log("vpowercapd").count(words)

    def runs(self, vm: str) -> bool:
        return any(found["uuid"] == vm and found["state"] == "running" and found["joules"] > 0
                   for found in self.stack.list()["vms"])

    def settled_descriptors(self, like: list[str] | None = None) -> list[str]:
        """What the daemon has open when that stays, and, if `like` is given, is as many; or when time is up."""
        deadline = time.monotonic() + 20
        last: list[str] = []
        while True:
            now = self.stack.descriptors("vpowercapd")
            if (len(now) == len(like) if like is not None else len(now) == len(last)) \
                    or time.monotonic() > deadline:
                return now
            last = now
            time.sleep(1)

    def assert_as_many_descriptors(self, before: list[str]) -> None:
        after = self.settled_descriptors(before)
        self.assertEqual(len(after), len(before), f"{sorted(after)}\nafter\n{sorted(before)}")

    def assert_sum_is_exact(self) -> None:
        """What the package's counter has is its VMs' and the remainder, to the microjoule."""
        for _ in range(50):  # a list may be of two ticks
            found = self.stack.list()
            shown = [round(zone["joules"] * 1e6) for zone in found["zones"] if zone["domain"] == "package"]
            parts = [round(zone["remainder_joules"] * 1e6) for zone in found["zones"] if zone["domain"] == "package"]
            parts += [round(vm["joules"] * 1e6) for vm in found["vms"]]
            if sum(shown) == sum(parts):
                return
            time.sleep(0.05)
        self.fail(f"{sum(shown)} µJ are not {parts}")

    def test_many_reloads_leave_no_connection_and_the_next_libvirtd_is_followed(self) -> None:
        self.stack.start_daemon()
        first = self.start_vm("first")
        self.wait_for(lambda: self.runs(first), "the first VM")
        before = self.settled_descriptors()
        for number in range(_RELOADS):
            self.stack.signal("vpowercapd", signal.SIGHUP)
            self.wait_for(lambda: self.times_said(_FOLLOWS) == number + 2, "the reload")  # noqa: B023
        self.assert_as_many_descriptors(before)
        self.host.stop_libvirtd()
        self.host.start_libvirtd()
        second = self.start_vm("second")
        self.wait_for(lambda: self.runs(second), "a VM of the next libvirtd")
        self.host.virsh("destroy", second)
        self.wait_for(lambda: not self.runs(second), "its end")
        self.assert_as_many_descriptors(before)
        self.assertTrue(self.runs(first))

    def test_a_libvirtd_that_comes_after_the_daemon_is_followed(self) -> None:
        self.host.stop_libvirtd()
        self.stack.start_daemon()
        self.wait_for(lambda: self.times_said("cannot connect to libvirt") == 1, "the line that libvirtd is away")
        self.host.start_libvirtd()
        vm = self.start_vm("late")
        self.wait_for(lambda: self.runs(vm), "the VM")
        self.assertEqual(self.times_said("cannot connect to libvirt"), 1)

    def test_a_libvirtd_that_hangs_is_told_once_and_followed_when_it_answers(self) -> None:
        vm = self.start_vm("there")
        self.host.signal_libvirtd(signal.SIGSTOP)
        self.stack.start_daemon()
        self.wait_for(lambda: self.times_said("has not answered for 30 s"), "the line that libvirtd hangs")
        time.sleep(6)  # the daemon looks every five seconds
        self.assertEqual(self.times_said("has not answered"), 1)
        self.host.signal_libvirtd(signal.SIGCONT)
        self.wait_for(lambda: self.runs(vm), "the VM")
        self.assertEqual(self.times_said(_FOLLOWS), 1)

    def test_a_killed_libvirtd_costs_a_running_vm_nothing(self) -> None:
        self.stack.start_daemon()
        vm = self.start_vm("old")
        self.wait_for(lambda: self.runs(vm), "the VM")
        descriptors = self.settled_descriptors()
        begin = time.monotonic()
        seen = [(self.stack.list()["tick"], self.stack.vm(vm))]

        def look() -> None:
            found = self.stack.list()
            seen.append((found["tick"], next(entry for entry in found["vms"] if entry["uuid"] == vm)))

        self.host.stop_libvirtd(signal.SIGKILL)
        self.wait_for(lambda: look() or self.times_said(_LOST) == 1, "the line that libvirtd is away")
        self.host.start_libvirtd()
        self.wait_for(lambda: look() or self.times_said(_FOLLOWS) == 2, "the connection to the next")
        for _ in range(20):
            time.sleep(0.2)
            look()
        self.assert_grows_at_each_tick(seen, time.monotonic() - begin)
        self.assert_sum_is_exact()
        self.assert_as_many_descriptors(descriptors)

    def assert_grows_at_each_tick(self, seen: list[tuple[int, dict[str, Any]]], seconds: float) -> None:
        """Looks at a VM: a tick, and what the ledger showed then or at the tick that came meanwhile."""
        for (tick, before), (later, after) in zip(seen, seen[1:]):
            self.assertGreaterEqual(after["joules"], before["joules"])
            if later > tick + 1:
                self.assertGreater(after["joules"], before["joules"], f"from tick {tick} to {later}")
            self.assertEqual(after["state"], "running")
        first, last = seen[0][1], seen[-1][1]
        self.assertEqual(first["gaps"], last["gaps"])
        self.assertLess(last["joules"] - first["joules"], MODEL_MAX_WATTS * (seconds + 1))
        print(f"{len(seen)} looks at {seen[-1][0] - seen[0][0]} ticks: {first['joules']:.3f} J to "
              f"{last['joules']:.3f} J, no gap", flush=True)

    def test_a_vm_that_started_while_libvirt_was_away_is_counted_once(self) -> None:
        self.stack.start_daemon()
        old = self.start_vm("old")
        self.wait_for(lambda: self.runs(old), "the VM")
        descriptors = self.settled_descriptors()
        self.stack.signal("vpowercapd", signal.SIGSTOP)  # neither event nor list of it can come
        begin = time.monotonic()
        self.host.stop_libvirtd(signal.SIGKILL)
        self.host.start_libvirtd()
        young = self.start_vm("young")
        self.stack.signal("vpowercapd", signal.SIGCONT)
        self.wait_for(lambda: self.runs(young), "the VM")
        found = self.stack.vm(young)
        used = cpu_time(self.host, young)
        self.assertLessEqual(found["cpu_seconds"], used.total + used.error)
        self.assertLess(found["joules"], MODEL_MAX_WATTS * (time.monotonic() - begin + 1))
        self.wait_for(lambda: self.stack.vm(young)["joules"] > found["joules"], "more of its energy")
        self.assertTrue(self.runs(old))
        self.assert_sum_is_exact()
        self.host.virsh("destroy", young)
        self.wait_for(lambda: not self.runs(young), "its end")
        self.assert_as_many_descriptors(descriptors)

    def test_a_vm_that_was_restarted_while_libvirt_was_away_goes_on(self) -> None:
        self.stack.start_daemon()
        vm = self.start_vm("same")
        self.wait_for(lambda: self.runs(vm), "the VM")
        descriptors = self.settled_descriptors()
        pid = self.host.path("/run/libvirt/qemu/same.pid").read_text()
        self.stack.signal("vpowercapd", signal.SIGSTOP)
        before = self.stack.vm(vm)
        begin = time.monotonic()
        self.host.stop_libvirtd(signal.SIGKILL)
        self.kill_vm("same")
        self.host.start_libvirtd()
        self.start_vm("same", vm)
        self.assertNotEqual(self.host.path("/run/libvirt/qemu/same.pid").read_text(), pid)
        self.stack.signal("vpowercapd", signal.SIGCONT)
        self.wait_for(lambda: self.times_said(_FOLLOWS) == 2 and self.runs(vm), "the VM")
        reached = self.stack.vm(vm)
        self.wait_for(lambda: self.stack.vm(vm)["joules"] > reached["joules"], "its energy")
        later = self.stack.vm(vm)
        self.assertGreaterEqual(later["joules"], before["joules"])
        self.assertGreaterEqual(later["cpu_seconds"], before["cpu_seconds"])
        self.assertLess(later["joules"] - before["joules"], MODEL_MAX_WATTS * (time.monotonic() - begin + 1))
        self.assertEqual(len(self.stack.list()["vms"]), 1)
        self.assert_sum_is_exact()
        self.assert_as_many_descriptors(descriptors)

    def test_what_offers_virtqemuds_sockets_is_followed_like_libvirtd(self) -> None:
        self.stack.start_daemon()
        old = self.start_vm("old")
        self.wait_for(lambda: self.runs(old), "the VM")
        descriptors = self.settled_descriptors()
        begin, before = time.monotonic(), self.stack.vm(old)
        self.host.replace_libvirtd()
        self.assertFalse(self.host.path("/run/libvirt/libvirt-sock-ro").exists())
        self.wait_for(lambda: self.times_said(_FOLLOWS) == 2, "the connection to the other socket")
        young = self.start_vm("young")
        self.wait_for(lambda: self.runs(young), "a VM of its")
        after = self.stack.vm(old)
        self.assertEqual((after["state"], after["gaps"]), ("running", before["gaps"]))
        self.assertGreater(after["joules"], before["joules"])
        self.assertLess(after["joules"] - before["joules"], MODEL_MAX_WATTS * (time.monotonic() - begin + 1))
        self.assert_sum_is_exact()
        self.host.virsh("destroy", young)
        self.wait_for(lambda: not self.runs(young), "its end")
        self.assert_as_many_descriptors(descriptors)


if __name__ == "__main__":
    unittest.main()
