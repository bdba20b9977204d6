# SPDX-License-Identifier: Apache-2.0
"""A descriptor that is kept open in a guest shows each step of the counter, as one does that is opened anew."""

from __future__ import annotations

import time
import unittest

from environment import environment
from lab.guest import Guest
from steps import Observation, observe

_SECONDS = 12
_GRID_SECONDS = 3
_LONG_SECONDS = 18
_METADATA = ("--uri", "urn:vpowercap:domain:1", "--key", "vpowercap")


class FreshnessTest(unittest.TestCase):
    """The guest `busy`, whose counter moves at each step; a guest whose virtiofsd caches, for comparison."""

    def setUp(self) -> None:
        self.lab = environment()

    def set_grid(self, guest: Guest, seconds: int) -> None:
        """Waits until the ledger has it, and a step at it."""
        self.lab.host.virsh("metadata", guest.spec.uuid, "--live", *_METADATA, "--set",
                            f"<vm grid='{seconds}'/>")
        deadline = time.monotonic() + 30
        while (vm := self.lab.stack.vm(guest.spec.uuid))["grid_seconds"] != seconds or \
                vm["published_at_seconds"] % seconds != 0:
            self.assertLess(time.monotonic(), deadline, "waited for the grid")
            time.sleep(0.1)

    def observe(self, guest: Guest, seconds: float) -> Observation:
        seen = observe(self.lab.stack, guest, seconds)
        print(f"{guest.spec.name}, grid {seen.grid:g} s: {len(seen.reads)} reads; {len(seen.values('kept'))} "
              f"values kept, {len(seen.values('fresh'))} fresh in the second half; {seen.step_count()} steps, "
              f"{len(seen.certain())} of them not to be missed", flush=True)
        self.assertGreater(len(seen.certain()), 1)
        return seen

    def test_a_kept_descriptor_shows_each_step_of_a_second(self) -> None:
        self.assertEqual(self.observe(self.lab.busy, _SECONDS).complaints(), [])

    def test_a_kept_descriptor_shows_each_step_of_a_longer_grid(self) -> None:
        self.addCleanup(self.set_grid, self.lab.busy, 1)
        self.set_grid(self.lab.busy, _GRID_SECONDS)
        self.assertEqual(self.observe(self.lab.busy, _LONG_SECONDS).complaints(), [])

    def test_a_virtiofsd_that_caches_is_noticed(self) -> None:
        cached = self.lab.create("cached", load="busy", cache="always")
        self.addCleanup(cached.destroy)
        cached.wait_ready()
        self.lab.stack.wait_for_vm(cached.spec.uuid)
        self.assertIn("kept never shows", " ".join(self.observe(cached, _SECONDS).complaints()))


if __name__ == "__main__":
    unittest.main()
