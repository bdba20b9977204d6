# SPDX-License-Identifier: Apache-2.0
"""A daemon that is silent for longer than stale-after: a guest's reads say so, and go on when it goes on."""

from __future__ import annotations

import errno
import itertools
import signal
import time
import unittest
from collections.abc import Callable

from environment import environment
from lab.guest import CommandResult

_ZONE = "/sys/class/powercap/intel-rapl:0"
_ENERGY = f"{_ZONE}/energy_uj"
#: tick and stale-after, in seconds.
_OPTIONS = ("--tick=0.5", "--stale-after=2")
#: How long descriptors are read; one kept and one opened for each read in the second half of it.
_READ_SECONDS = 40
_TIMEOUT = 60.0
_ERROR = f"error {errno.ENODATA}"


class StalenessTest(unittest.TestCase):
    """The guest `busy`. The stack is left as it was."""

    def setUp(self) -> None:
        self.lab = environment()
        self.stack = self.lab.stack
        self.guest = self.lab.busy
        self.stack.stop("vpowercapd")
        self.addCleanup(self.restart, list(self.stack.daemon_options))
        self.stack.daemon_options += _OPTIONS
        self.stack.start_daemon()

    def restart(self, options: list[str]) -> None:
        self.stack.signal("vpowercapd", signal.SIGCONT)
        self.stack.stop("vpowercapd")
        self.stack.daemon_options[:] = options
        self.stack.start_daemon()

    def wait_for(self, holds: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + _TIMEOUT
        while not holds():
            self.assertLess(time.monotonic(), deadline, f"waited for {what}")
            time.sleep(0.2)

    def read(self) -> CommandResult:
        return self.guest.run(f"cat {_ENERGY}")

    def reads(self) -> list[tuple[str, str]]:
        """How each read was made, and its value."""
        lines = self.guest.check("cat /tmp/stale-reads").splitlines()
        return [(words[0], " ".join(words[3:])) for words in map(str.split, lines)]

    def test_a_guest_reads_no_data_while_the_daemon_is_silent_and_then_goes_on(self) -> None:
        self.guest.check(f"kept-and-fresh {_ENERGY} {_READ_SECONDS} 100 on >/tmp/stale-reads 2>&1 </dev/null &")
        self.wait_for(lambda: ("kept", self.read().out.strip()) in self.reads(), "a kept descriptor to be read")
        self.stack.signal("vpowercapd", signal.SIGSTOP)
        before = int(self.guest.check(f"cat {_ENERGY}"))
        self.wait_for(lambda: self.read().code != 0, "a read to fail")
        self.assertTrue(self.stack.list()["stale"])
        for _ in range(5):
            failed = self.read()
            self.assertEqual((failed.code, failed.out), (1, ""))
            self.assertIn("No data available", failed.err)
            self.assertEqual(self.guest.check(f"cat {_ZONE}/name").strip(), "package-0")
        self.wait_for(lambda: {("kept", _ERROR), ("fresh", _ERROR)} <= set(self.reads()), "both ways to fail")

        self.stack.signal("vpowercapd", signal.SIGCONT)
        self.wait_for(lambda: self.read().code == 0, "a read to succeed again")
        after = int(self.guest.check(f"cat {_ENERGY}"))
        self.assertGreaterEqual(after, before)
        self.wait_for(lambda: self.read().code == 0 and int(self.read().out) > before, "reads to move")
        self.wait_for(lambda: self.guest.run("pidof kept-and-fresh").code != 0, "the end of the reading")
        self.assert_both_ways_went_on()
        print(f"read {before / 1e6:.3f} J, no data while the daemon was silent, then {after / 1e6:.3f} J", flush=True)

    def assert_both_ways_went_on(self) -> None:
        """Values, then nothing but ENODATA, then values that are not below."""
        reads = self.reads()
        for how in ("kept", "fresh"):
            fails = [value == _ERROR for kind, value in reads if kind == how]
            phases = [key for key, _ in itertools.groupby(fails)]
            self.assertEqual(phases[-2:], [True, False], how)
            self.assertLessEqual(len(phases), 3, how)
        numbers = [int(value) for _, value in reads if value != _ERROR]
        self.assertEqual(numbers, sorted(numbers))


if __name__ == "__main__":
    unittest.main()
