# SPDX-License-Identifier: Apache-2.0
"""What a tenant's counter shows of its neighbour, in short: scripts/leakage --guests has the long form."""

from __future__ import annotations

import time
import unittest
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from environment import build_under_test, close_environment
from lab.power_curve import STATIC_WATTS, turbo_curve
from sim.leakage_guests import Neighbours, Setting, random_bits, square_wave

_HALF_WAVE_SECONDS = 2
_HALF_WAVES = 30
_BLIND_SECONDS = 60
#: Other work on the machine changes the price as the neighbour does. With more of it nothing can be asked.
_QUIET_CPUS = 0.3
_TRIES = 3
_QUANTUM_JOULES = 0.001


class LeakageTest(unittest.TestCase):
    """A sender that works and rests beside a receiver that always works, on a package of falling price."""

    lab: Neighbours

    def setUp(self) -> None:
        close_environment()  # one libvirtd at a time is enough for a small machine
        self.lab = Neighbours(self.enterContext(ExitStack()), build_under_test())

    def test_neighbour_blind_weakens_what_the_neighbour_does_to_the_counter(self) -> None:
        plain = self.wave()
        self.assertLess(plain["correlation"], -plain["chance"])
        self.blind()
        # Not the correlation: of a counter without noise the least influence has a strong one. What
        # the sender's work takes of the receiver's own speed stays, price or not.
        self.assertLess(abs(self.wave()["swing_w"]), 0.75 * abs(plain["swing_w"]))

    def test_in_the_long_run_a_blind_counter_has_all_that_was_charged(self) -> None:
        self.wait_for("nothing owed", self.owes_nothing)
        first_counter, first = self.counter_within_ledger()
        self.blind()
        entry = self.lab.ledger()
        self.assertGreater(entry["published_joules"], first["published_joules"])
        self.assertLess(abs(entry["joules"] - entry["published_joules"]), self.most_owed())

        self.lab.set(Setting(1, 0))
        self.wait_for("nothing owed", self.owes_nothing)
        last_counter, last = self.counter_within_ledger()
        # Each was read some time after its entry: a second or two of at most the whole package's power.
        self.assertAlmostEqual(last_counter - first_counter, last["joules"] - first["joules"],
                               delta=2 * self.watts(2))

        self.blind()
        self.wait_for("a debt", lambda: not self.owes_nothing())
        self.lab.receiver.destroy()
        self.wait_for("its end", lambda: self.lab.ledger()["state"] == "stopped")
        self.assertTrue(self.owes_nothing(), self.lab.ledger())

    def blind(self) -> None:
        """Has the price settle for what a short test can wait."""
        self.lab.set(Setting(1, _BLIND_SECONDS))
        self.lab.transmit(1, _HALF_WAVE_SECONDS, random_bits(8))

    def wave(self) -> dict[str, Any]:
        """The figures of a quiet machine; skips the test when it is never quiet."""
        for _ in range(_TRIES):
            sent = self.lab.transmit(1, _HALF_WAVE_SECONDS, square_wave(_HALF_WAVES))
            if sent.others <= _QUIET_CPUS:
                return sent.figures(self.lab.build)
        self.skipTest(f"other programs take {sent.others:.1f} CPUs: the neighbour cannot be told from them")

    def counter_within_ledger(self) -> tuple[float, dict[str, Any]]:
        """The guest's reading and the ledger's entry before it; what the guest reads is the ledger's."""
        before = self.lab.ledger()
        counter = self.lab.counter()
        self.assertGreaterEqual(counter, before["published_joules"] - _QUANTUM_JOULES / 2)
        self.assertLessEqual(counter, self.lab.ledger()["published_joules"] + _QUANTUM_JOULES / 2)
        return counter, before

    def owes_nothing(self) -> bool:
        entry = self.lab.ledger()
        return 0 <= entry["joules"] - entry["published_joules"] < 2 * _QUANTUM_JOULES

    def wait_for(self, what: str, is_so: Callable[[], bool], timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while not is_so():
            self.assertLess(time.monotonic(), deadline, f"waited for {what}: {self.lab.ledger()}")
            time.sleep(0.1)

    @staticmethod
    def watts(active: int) -> float:
        return turbo_curve(2)(active)

    def most_owed(self) -> float:
        """A debt is repaid with the time constant, so that it is below what the price can be wrong by in one."""
        alone = self.watts(1) - STATIC_WATTS
        shared = (self.watts(2) - STATIC_WATTS) / 2
        return _BLIND_SECONDS * (alone - shared)


if __name__ == "__main__":
    unittest.main()
