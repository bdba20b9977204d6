# SPDX-License-Identifier: Apache-2.0
"""What helpers do for a VM is charged to this VM, once, and neither to another one nor to the host."""

from __future__ import annotations

import signal
import unittest
from collections.abc import Callable
from contextlib import ExitStack

from helped import HelpedHost
from lab.cpu_time import CpuTime, cpu_time, is_in_group, processes_of, thread_time
from ledger_span import Span
from loads import DISK_LOAD, FILES_LOAD, TPM_LOAD, WORK_SECONDS, work


class HelpersTest(unittest.TestCase):
    """Without control groups: helpers count by their own counters."""

    groups = False

    @classmethod
    def setUpClass(cls) -> None:
        cls.lab = HelpedHost(cls.enterClassContext(ExitStack()), groups=cls.groups)
        cls.helped = cls.lab.boot("helped")
        cls.bystander = cls.lab.boot("bystander")

    def setUp(self) -> None:
        self.uuid = self.helped.spec.uuid
        for directory, program in processes_of(self.lab.host, self.uuid).items():
            if is_in_group(directory, "helped") != self.groups:
                self.skipTest(f"libvirt {'does not put' if self.groups else 'puts'} {program} into a "
                              "control group here")

    def test_virtiofsd(self) -> None:
        self.assert_charged_once(self.span(self.load(FILES_LOAD, "virtiofsd")), "virtiofsd")

    def test_swtpm(self) -> None:
        self.assert_charged_once(self.span(self.load(TPM_LOAD, "swtpm")), "swtpm")

    def test_iothread(self) -> None:
        self.assert_bounds(self.span(lambda: work(
            self.helped, DISK_LOAD, lambda: thread_time(self.lab.host, self.uuid, "IO iothread1"))))

    def test_a_restarted_daemon_charges_what_helpers_did_meanwhile(self) -> None:
        span = self.span(lambda: self.restart_daemon(self.load(TPM_LOAD, "swtpm")))
        self.assertGreater(span.least(self.uuid, "swtpm"), WORK_SECONDS)
        self.assert_bounds(span)

    def test_helpers_of_a_vm_found_while_it_runs_count_from_then_on(self) -> None:
        def forget() -> None:
            self.load(TPM_LOAD, "swtpm")()
            self.lab.host.path("/run/vpowercap/ledger").unlink()
            before.append(cpu_time(self.lab.host, self.uuid))

        before: list[CpuTime] = []
        self.restart_daemon(forget)
        span = self.span(lambda: self.restart_daemon(lambda: None))
        first = span.inner_first
        self.assertLessEqual(first.work(self.uuid), first.cpu[self.uuid].total - before[0].total
                             + span.error(self.uuid))
        self.assert_bounds(span)

    def restart_daemon(self, meanwhile: Callable[[], None]) -> None:
        self.lab.stack.stop("vpowercapd", signal.SIGKILL)
        try:
            meanwhile()
        finally:
            self.lab.stack.start_daemon()
        self.lab.stack.wait_for_vm(self.uuid)

    def load(self, script: str, program: str) -> Callable[[], None]:
        """Makes one of the guest's helpers work."""
        return lambda: work(self.helped, script, lambda: cpu_time(self.lab.host, self.uuid).of(program))

    def span(self, load: Callable[[], None]) -> Span:
        return self.lab.span((self.helped, self.bystander), load)

    def assert_bounds(self, span: Span) -> None:
        """Each VM has what its own processes used, not more and not less."""
        for guest in (self.helped, self.bystander):
            uuid, name = guest.spec.uuid, guest.spec.name
            self.assertGreaterEqual(span.charged(uuid), span.least(uuid) - span.error(uuid), name)
            self.assertLessEqual(span.charged(uuid), span.most(uuid) + span.error(uuid), name)

    def assert_charged_once(self, span: Span, program: str) -> None:
        """The bounds hold, and the host has none of the VMs' work."""
        self.assertGreater(span.least(self.uuid, program), WORK_SECONDS)
        self.assert_bounds(span)
        of_vms = sum(span.least(guest.spec.uuid) for guest in (self.helped, self.bystander))
        # The kernel samples busy time at clock interrupts and can find less of it than was worked.
        of_others = max(0.0, span.host() - of_vms)
        self.assertLess(span.host("remainder_joules"), of_others + WORK_SECONDS / 2)


class HelpersInGroupsTest(HelpersTest):
    """With a control group for each VM: it counts what is in it."""

    groups = True


if __name__ == "__main__":
    unittest.main()
