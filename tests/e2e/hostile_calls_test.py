# SPDX-License-Identifier: Apache-2.0
"""One guest attacks its share with raw system calls of all kinds; each answer is judged by its errno."""

from __future__ import annotations

import os
import unittest

from attacked import TREE, AttackedTestCase

_SEED = int(os.environ.get("VPOWERCAP_HOSTILE_SEED", "1"))
_PROCESSES = 4
_ATTACK_SECONDS = int(os.environ.get("VPOWERCAP_HOSTILE_SECONDS", "15"))
_WARM_UP_SECONDS = 5
#: Far more than an attack's seconds: it ends by itself when one of its calls hangs for two minutes.
_TIMEOUT_SECONDS = _ATTACK_SECONDS + 400


class HostileCallsTest(AttackedTestCase):
    """tests/hostile/attack, carried into the guest `busy`."""

    def setUp(self) -> None:
        super().setUp()
        self.said: list[str] = []

    def attack(self, seconds: int) -> None:
        """Errors: AssertionError with what went wrong."""
        result = self.lab.busy.run(f"attack --seed {_SEED} --processes {_PROCESSES} --seconds {seconds} "
                                   f"--calls 1000000000 {TREE}", timeout=_TIMEOUT_SECONDS)
        self.said = result.out.splitlines()
        self.assertEqual((result.code, [line for line in self.said if line.startswith("WRONG")], result.err),
                         (0, [], ""))

    def test_every_answer_is_clean_and_the_tree_stays_as_it_was(self) -> None:
        listing = f"ls -lR {TREE}"
        before = self.lab.busy.check(listing)
        report = self.assert_others_go_on(self.attack, _WARM_UP_SECONDS, _ATTACK_SECONDS)
        print("\n".join([*self.said, report]), flush=True)
        self.assertEqual([line for line in self.said if line.endswith(": not tried")], [])
        self.assertEqual(self.lab.busy.check(listing), before)


if __name__ == "__main__":
    unittest.main()
